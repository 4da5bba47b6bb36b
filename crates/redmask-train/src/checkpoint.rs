//! Checkpoints: a folder that appears by one rename, and what it holds.
//!
//! `checkpoint-000000120/` holds `tensors.safetensors` (weights, running statistics and moments, raw f32) and
//! `progress.json` (where the training stands). A killed process leaves a `*.tmp` folder behind; the next one sweeps it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use redmask_core::{Error, Fingerprint, Result};
use redmask_nn::weights::{StateDict, StateTensor};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};

use crate::optim::{OptimizerState, SlotState};

const PREFIX: &str = "checkpoint-";
const TENSORS: &str = "tensors.safetensors";
const PROGRESS: &str = "progress.json";

/// Where a training stands: everything that is not a tensor. Draws need no state, they follow from the seed tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// What is being trained, on what, how: a resume with another one is refused.
    pub(crate) identity: Fingerprint,
    /// Steps taken.
    pub(crate) step: u64,
    /// Epoch that the next step belongs to, from 0.
    pub(crate) epoch: u32,
    /// Batches of that epoch already taken.
    pub(crate) batch: u64,
    /// Sum of the batches' mean losses so far in that epoch.
    pub(crate) loss_sum: f64,
    /// Number of those batches; empty ones have no loss.
    pub(crate) losses: u64,
    /// Bytes of the epoch log that belong to this state.
    pub(crate) log_bytes: u64,
    /// Seconds spent so far, over all runs.
    pub(crate) seconds: f64,
    /// Threads of the pool; sums may differ with another count.
    pub(crate) threads: usize,
    /// Version of this crate.
    pub(crate) version: String,
    /// The state of the objective or the stepping rule, such as a privacy accountant's history.
    pub(crate) extra: serde_json::Value,
    counters: BTreeMap<String, Counters>,
    tensors: Option<Fingerprint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Counters {
    step: u64,
    mu_product: f64,
}

impl Progress {
    pub(crate) fn start(identity: Fingerprint) -> Self {
        Self {
            identity,
            step: 0,
            epoch: 0,
            batch: 0,
            loss_sum: 0.0,
            losses: 0,
            log_bytes: 0,
            seconds: 0.0,
            threads: rayon::current_num_threads(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extra: serde_json::Value::Null,
            counters: BTreeMap::new(),
            tensors: None,
        }
    }

    /// Mean loss of the epoch so far; 0 if all batches were empty.
    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss_sum / self.losses.max(1) as f64
    }
}

/// A loaded checkpoint.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) progress: Progress,
    pub(crate) parameters: StateDict,
    pub(crate) optimizer: OptimizerState,
    /// Further tensors, such as those of a second network that is trained alongside.
    pub(crate) companions: StateDict,
}

/// Writes `checkpoint` into `folder` and removes the older ones.
pub(crate) fn save(folder: &Path, checkpoint: Checkpoint) -> Result<()> {
    let Checkpoint {
        mut progress,
        parameters,
        optimizer,
        companions,
    } = checkpoint;
    let mut tensors: StateDict = BTreeMap::new();
    for (path, tensor) in parameters {
        tensors.insert(format!("network/{path}"), tensor);
    }
    for (path, tensor) in companions {
        tensors.insert(format!("companion/{path}"), tensor);
    }
    progress.counters.clear();
    for (path, slot) in optimizer {
        let SlotState {
            step,
            mu_product,
            first,
            second,
        } = slot;
        for (name, values) in [("first", first), ("second", second)] {
            if !values.is_empty() {
                let shape = vec![values.len()];
                tensors.insert(format!("{name}/{path}"), StateTensor { shape, values });
            }
        }
        progress
            .counters
            .insert(path, Counters { step, mu_product });
    }
    let bytes = to_safetensors(&tensors)?;
    drop(tensors);
    progress.tensors = Some(Fingerprint::of(&bytes));
    let text = serde_json::to_vec_pretty(&progress)
        .map_err(|e| Error::Internal(format!("a checkpoint's progress: {e}")))?;

    let name = format!("{PREFIX}{:09}", progress.step);
    let scratch = folder.join(format!("{name}.tmp"));
    sweep(folder)?;
    fs::create_dir_all(&scratch).map_err(|e| Error::io(&scratch, "creating", e))?;
    write_synced(&scratch.join(TENSORS), &bytes)?;
    write_synced(&scratch.join(PROGRESS), &text)?;
    let target = folder.join(&name);
    if target.exists() {
        remove_folder(&target)?;
    }
    fs::rename(&scratch, &target).map_err(|e| Error::io(&target, "renaming", e))?;
    sync_folder(folder)?;
    for (step, path) in list(folder)? {
        if step != progress.step {
            remove_folder(&path)?;
        }
    }
    Ok(())
}

/// Loads the newest checkpoint of `folder`, if there is one, and sweeps what a killed process left.
pub(crate) fn load(folder: &Path) -> Result<Option<Checkpoint>> {
    sweep(folder)?;
    let Some((_, path)) = list(folder)?.pop() else {
        return Ok(None);
    };
    let hint = "delete this folder to train from the start";
    let progress_path = path.join(PROGRESS);
    let text = fs::read(&progress_path).map_err(|e| Error::io(&progress_path, "reading", e))?;
    let progress: Progress = serde_json::from_slice(&text).map_err(|e| {
        Error::input(
            &progress_path,
            format!("not a checkpoint of this version: {e}"),
        )
        .with_hint(hint)
    })?;
    let tensor_path = path.join(TENSORS);
    let bytes = fs::read(&tensor_path).map_err(|e| Error::io(&tensor_path, "reading", e))?;
    if progress.tensors != Some(Fingerprint::of(&bytes)) {
        return Err(
            Error::input(&tensor_path, "the content does not match its hash").with_hint(hint),
        );
    }
    let tensors = from_safetensors(&bytes)
        .map_err(|problem| Error::input(&tensor_path, problem).with_hint(hint))?;

    let mut parameters = StateDict::new();
    let mut companions = StateDict::new();
    let mut optimizer: OptimizerState = progress
        .counters
        .iter()
        .map(|(path, c)| {
            let state = SlotState {
                step: c.step,
                mu_product: c.mu_product,
                first: Vec::new(),
                second: Vec::new(),
            };
            (path.clone(), state)
        })
        .collect();
    for (name, tensor) in tensors {
        match name.split_once('/') {
            Some(("network", path)) => {
                parameters.insert(path.to_owned(), tensor);
            }
            Some(("companion", path)) => {
                companions.insert(path.to_owned(), tensor);
            }
            Some((moment @ ("first" | "second"), path)) => {
                if let Some(slot) = optimizer.get_mut(path) {
                    if moment == "first" {
                        slot.first = tensor.values;
                    } else {
                        slot.second = tensor.values;
                    }
                }
            }
            _ => {
                return Err(
                    Error::input(&tensor_path, format!("unknown tensor {name}")).with_hint(hint)
                );
            }
        }
    }
    Ok(Some(Checkpoint {
        progress,
        parameters,
        optimizer,
        companions,
    }))
}

/// Removes all checkpoints: the training is done.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    sweep(folder)?;
    for (_, path) in list(folder)? {
        remove_folder(&path)?;
    }
    Ok(())
}

/// Writes a file so that it is either complete or absent.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let scratch = PathBuf::from(name);
    write_synced(&scratch, bytes)?;
    fs::rename(&scratch, path).map_err(|e| Error::io(path, "renaming", e))
}

fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, "reading", e))? {
        let entry = entry.map_err(|e| Error::io(folder, "reading", e))?;
        let name = entry.file_name();
        let step = name
            .to_str()
            .and_then(|n| n.strip_prefix(PREFIX))
            .and_then(|n| n.parse().ok());
        if let Some(step) = step {
            found.push((step, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, "reading", e))? {
        let entry = entry.map_err(|e| Error::io(folder, "reading", e))?;
        let path = entry.path();
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|n| n.starts_with(PREFIX))
            && path.extension().is_some_and(|e| e == "tmp");
        if ours {
            remove_folder(&path)?;
        }
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<()> {
    fs::remove_dir_all(path).map_err(|e| Error::io(path, "removing", e))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs::File::create(path).map_err(|e| Error::io(path, "creating", e))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::io(path, "writing", e))
}

fn sync_folder(folder: &Path) -> Result<()> {
    // Only Unix can open a folder; elsewhere the rename is as durable as the system makes it.
    if cfg!(unix) {
        fs::File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| Error::io(folder, "syncing", e))?;
    }
    Ok(())
}

fn to_safetensors(tensors: &StateDict) -> Result<Vec<u8>> {
    let bytes: Vec<(&String, &StateTensor, Vec<u8>)> = tensors
        .iter()
        .map(|(name, v)| {
            let raw = v.values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, v, raw)
        })
        .collect();
    let fail = |e| Error::Internal(format!("a checkpoint's tensors: {e:?}"));
    let views = bytes
        .iter()
        .map(|(name, v, raw)| {
            TensorView::new(Dtype::F32, v.shape.clone(), raw).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    serialize(views, None).map_err(fail)
}

fn from_safetensors(bytes: &[u8]) -> Result<StateDict, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    file.iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(format!("{name} is {:?}, not f32", view.dtype()));
            }
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            let shape = view.shape().to_vec();
            Ok((name.to_owned(), StateTensor { shape, values }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(step: u64) -> Checkpoint {
        let tensor = |values: Vec<f32>| StateTensor {
            shape: vec![values.len()],
            values,
        };
        let mut progress = Progress::start(Fingerprint::of(b"case"));
        progress.step = step;
        progress.loss_sum = 0.1 + 0.2;
        let weights = vec![f32::MIN_POSITIVE / 2.0, -0.0, 1.5];
        Checkpoint {
            progress,
            parameters: [("a.weight".to_owned(), tensor(weights))].into(),
            optimizer: [(
                "a.weight".to_owned(),
                SlotState {
                    step: 7,
                    mu_product: 0.1,
                    first: vec![1.0, 2.0, 3.0],
                    second: vec![],
                },
            )]
            .into(),
            companions: StateDict::default(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_only_the_newest_stays() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), checkpoint(3)).unwrap();
        save(folder.path(), checkpoint(12)).unwrap();
        let loaded = load(folder.path()).unwrap().unwrap();
        let expected = checkpoint(12);
        assert_eq!(loaded.parameters, expected.parameters);
        assert_eq!(loaded.optimizer, expected.optimizer);
        assert_eq!(loaded.progress.loss_sum, expected.progress.loss_sum);
        assert_eq!(list(folder.path()).unwrap().len(), 1);
        clear(folder.path()).unwrap();
        assert!(load(folder.path()).unwrap().is_none());
    }

    #[test]
    fn leftovers_of_a_killed_process_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let leftover = folder.path().join("checkpoint-000000009.tmp");
        fs::create_dir(&leftover).unwrap();
        assert!(load(folder.path()).unwrap().is_none());
        assert!(!leftover.exists());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), checkpoint(1)).unwrap();
        let path = folder.path().join("checkpoint-000000001").join(TENSORS);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(error.to_string().contains(TENSORS), "{error}");
        assert!(error.hint().is_some());
    }
}
