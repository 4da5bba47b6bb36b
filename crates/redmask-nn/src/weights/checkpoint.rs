//! A weight file, opened but not yet read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn_store::pytorch_reader::{DType, PytorchReader, Tensor as PytorchTensor};
use redmask_core::{Error, Result};
use safetensors::{Dtype, SafeTensors};

use super::pickle;

/// Larger files are refused: the largest network here has a quarter of a gigabyte.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// The names and shapes in a safetensors or PyTorch file; tensors are read one at a time.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    shape: Vec<usize>,
    source: Source,
}

enum Source {
    /// Of a safetensors file: its dtype and its place in the file.
    Slice(Dtype, std::ops::Range<usize>),
    /// Of a PyTorch file.
    PyTorch(PytorchTensor),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slice(dtype, range) => write!(f, "{dtype:?} at {range:?}"),
            Self::PyTorch(tensor) => write!(f, "{:?}", tensor.dtype()),
        }
    }
}

impl Checkpoint {
    /// Opens a file, whatever its extension says.
    ///
    /// # Errors
    /// If it cannot be read, is over 4 GiB, is neither safetensors nor a PyTorch state dict, or is a pickle that names
    /// anything else than tensors (the name is in the error; nothing was executed).
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
        let size = file
            .metadata()
            .map_err(|e| Error::io(path, "reading", e))?
            .len();
        if size > MAX_FILE_BYTES {
            return Err(Error::Limit {
                path: path.to_owned(),
                what: "the size of the weight file in bytes",
                found: size,
                limit: MAX_FILE_BYTES,
            });
        }
        let mut head = Vec::new();
        Read::by_ref(&mut file)
            .take(9)
            .read_to_end(&mut head)
            .map_err(|e| Error::io(path, "reading", e))?;
        // A safetensors file is the length of its header and a JSON object.
        if head.get(8) == Some(&b'{') {
            Self::open_safetensors(path, file, head)
        } else {
            Self::open_pytorch(path)
        }
    }

    fn open_safetensors(path: &Path, file: File, mut bytes: Vec<u8>) -> Result<Self> {
        let bad = |e: safetensors::SafeTensorError| {
            Error::input(path, format!("not a valid safetensors file: {e}"))
        };
        file.take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io(path, "reading", e))?;
        // Also checks that the offsets lie in the file and fit the shapes.
        SafeTensors::deserialize(&bytes).map_err(bad)?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(bad)?;
        let start = header + 8;
        let entries = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let range = start + info.data_offsets.0..start + info.data_offsets.1;
                let entry = Entry {
                    shape: info.shape.clone(),
                    source: Source::Slice(info.dtype, range),
                };
                (name, entry)
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            entries,
            bytes,
        })
    }

    fn open_pytorch(path: &Path) -> Result<Self> {
        pickle::check_names(path)?;
        let reader = PytorchReader::new(path)
            .map_err(|e| Error::input(path, format!("not a readable weight file: {e}")))?;
        let entries = reader
            .into_tensors()
            .into_iter()
            .map(|(name, tensor)| {
                let entry = Entry {
                    shape: tensor.shape().to_vec(),
                    source: Source::PyTorch(tensor),
                };
                (name, entry)
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            entries,
            bytes: Vec::new(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The shape of a tensor, if the file has it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|e| e.shape.as_slice())
    }

    /// Reads a tensor as `f32`. Compare its shape first: a small file can declare a huge tensor.
    ///
    /// # Errors
    /// If there is no such tensor, it is not made of floats, it holds NaN or infinity, or the file cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<f32>> {
        let entry = self.entries.get(name).ok_or_else(|| {
            Error::input(&self.path, format!("there is no tensor named `{name}`"))
        })?;
        let values = match &entry.source {
            Source::Slice(dtype, range) => {
                let bytes = self.bytes.get(range.clone()).unwrap_or_default();
                match dtype {
                    Dtype::F32 => Some(decode(bytes, f32::from_le_bytes)),
                    Dtype::F64 => Some(decode(bytes, |b| f64::from_le_bytes(b) as f32)),
                    Dtype::F16 => Some(decode(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
                    Dtype::BF16 => Some(decode(bytes, |b| half::bf16::from_le_bytes(b).to_f32())),
                    _ => None,
                }
            }
            Source::PyTorch(tensor) => {
                let bytes = tensor.read().map_err(|e| {
                    Error::input(&self.path, format!("`{name}` cannot be read: {e}"))
                })?;
                match tensor.dtype() {
                    DType::F32 => Some(decode(&bytes, f32::from_ne_bytes)),
                    DType::F64 => Some(decode(&bytes, |b| f64::from_ne_bytes(b) as f32)),
                    DType::F16 => Some(decode(&bytes, |b| half::f16::from_ne_bytes(b).to_f32())),
                    DType::BF16 => Some(decode(&bytes, |b| half::bf16::from_ne_bytes(b).to_f32())),
                    _ => None,
                }
            }
        };
        let values = values
            .ok_or_else(|| Error::input(&self.path, format!("`{name}` is not a float tensor")))?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::input(
                &self.path,
                format!("`{name}` holds NaN or infinity"),
            ));
        }
        Ok(values)
    }
}

fn decode<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|chunk| read(*chunk))
        .collect()
}
