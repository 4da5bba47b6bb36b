//! Weights in and out: safetensors both ways, PyTorch's `.pth` in.
//!
//! Files are hostile until shown otherwise. They are read under a size limit, names, dtypes and shapes are compared
//! with the network before any tensor is read, and a pickle that names anything but tensors is refused by that name;
//! nothing in a file is ever executed.

mod checkpoint;
mod folder;
mod load;
mod pickle;
mod save;
mod state;

pub use checkpoint::Checkpoint;
pub use folder::{ModelCard, load_model, save_model};
pub use load::{LoadReport, load, load_encoder, restore};
pub use save::save;
pub use state::{StateDict, StatePath, StateTensor, gradient_dict, shapes, state_dict};
