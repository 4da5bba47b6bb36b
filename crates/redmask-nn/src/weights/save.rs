//! From a network to safetensors.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use burn::module::Module;
use redmask_core::{Error, Result};
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::state::state_dict;

/// Writes all parameters and running statistics of `module` under PyTorch's names. The file appears whole or not at
/// all, and equal weights give equal bytes.
///
/// # Errors
/// If the file cannot be written.
pub fn save<M: Module>(module: &M, path: &Path) -> Result<()> {
    let state: Vec<(String, Vec<usize>, Vec<u8>)> = state_dict(module)
        .into_iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name, tensor.shape, bytes)
        })
        .collect();
    let views = state
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
                .map_err(|e| Error::Internal(format!("tensor `{name}`: {e}")))?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = serialize(views, Some(format))
        .map_err(|e| Error::Internal(format!("weights for {}: {e}", path.display())))?;
    write_whole(path, &bytes)
}

/// Writes a file through a scratch file beside it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |e| Error::io(path, "writing", e);
    let mut scratch = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    scratch.write_all(bytes).map_err(failed)?;
    scratch.as_file().sync_all().map_err(failed)?;
    scratch.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}
