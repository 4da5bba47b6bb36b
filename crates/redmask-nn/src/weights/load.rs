//! From a checkpoint into a network.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use redmask_core::{Error, Result};

use super::checkpoint::Checkpoint;
use super::state::{StateDict, StatePath, shapes};

/// Where training scripts put the state dict inside what they save.
const PREFIXES: [&str; 8] = [
    "",
    "module.",
    "state_dict.",
    "state_dict.module.",
    "model.",
    "model_state_dict.",
    "model_state.",
    "net.",
];

/// What a load left aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// Tensors of the network that were read, by its names.
    pub loaded: usize,
    /// Tensors of the file that the network has no place for, by the file's names.
    pub unused: Vec<String>,
}

/// Loads every parameter and running statistic of `module`. The file may nest the state dict under one of the usual
/// keys (`state_dict`, `model`, `module`, ...).
///
/// # Errors
/// If the file lacks a tensor of the module, or has it in another shape or not as finite floats; the names are listed.
/// The module is given back only when all of it was read.
pub fn load<M: Module>(module: M, file: &Checkpoint) -> Result<(M, LoadReport)> {
    load_as(module, file, |name| Some(name.to_owned()), Stem::Exact)
}

/// Loads the `encoder.` part of `module` from a torchvision classifier, whose names lack that prefix; the rest keeps
/// its values. Where the network takes another number of image channels than the file, the first convolution is
/// adapted as smp does: summed for one channel, else repeated and rescaled.
///
/// # Errors
/// As [`load`].
pub fn load_encoder<M: Module>(module: M, file: &Checkpoint) -> Result<(M, LoadReport)> {
    let rename = |name: &str| name.strip_prefix("encoder.").map(str::to_owned);
    load_as(module, file, rename, Stem::Adapted)
}

/// Puts a state dict, as [`state_dict`](super::state_dict) gives it, back into a module of the same architecture.
///
/// # Errors
/// If names or shapes differ.
pub fn restore<M: Module>(module: M, state: StateDict) -> Result<M> {
    let wanted = shapes(&module);
    let fits = wanted.len() == state.len()
        && wanted
            .iter()
            .zip(&state)
            .all(|((name, shape), (found, tensor))| {
                name == found
                    && *shape == tensor.shape
                    && tensor.values.len() == shape.iter().product::<usize>()
            });
    if !fits {
        return Err(Error::unsupported(
            "restoring these weights",
            "their names and shapes are not those of the network",
        ));
    }
    let values = state
        .into_iter()
        .map(|(name, t)| (name, t.values))
        .collect();
    let mut mapper = Fill {
        path: StatePath::default(),
        values,
    };
    Ok(module.map(&mut mapper))
}

/// Loads each parameter from the tensor that `rename` names; `None` leaves it as it is.
fn load_as<M: Module>(
    module: M,
    file: &Checkpoint,
    rename: impl Fn(&str) -> Option<String>,
    stem: Stem,
) -> Result<(M, LoadReport)> {
    let wanted: BTreeMap<String, (String, Vec<usize>)> = shapes(&module)
        .into_iter()
        .filter_map(|(ours, shape)| rename(&ours).map(|theirs| (ours, (theirs, shape))))
        .collect();
    let prefix = PREFIXES
        .into_iter()
        .rev()
        .max_by_key(|prefix| {
            wanted
                .values()
                .filter(|(theirs, _)| file.shape(&format!("{prefix}{theirs}")).is_some())
                .count()
        })
        .unwrap_or_default();

    let mut problems = Vec::new();
    for (theirs, shape) in wanted.values() {
        match file.shape(&format!("{prefix}{theirs}")) {
            None => problems.push(format!("`{theirs}` is missing")),
            Some(found) if found != shape && !stem.fits(theirs, found, shape) => {
                problems.push(format!("`{theirs}` has shape {found:?}, not {shape:?}"));
            }
            Some(_) => {}
        }
    }
    if !problems.is_empty() {
        return Err(mismatch(file, &problems, wanted.len()));
    }

    let mut values = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (ours, (theirs, shape)) in wanted {
        let name = format!("{prefix}{theirs}");
        let read = file.read(&name)?;
        let same = file.shape(&name) == Some(&shape);
        values.insert(
            ours,
            if same {
                read
            } else {
                adapt_stem(&read, &shape)
            },
        );
        used.insert(name);
    }
    let report = LoadReport {
        loaded: values.len(),
        unused: file
            .names()
            .filter(|n| !used.contains(*n) && !n.ends_with("num_batches_tracked"))
            .map(str::to_owned)
            .collect(),
    };
    let mut mapper = Fill {
        path: StatePath::default(),
        values,
    };
    Ok((module.map(&mut mapper), report))
}

fn mismatch(file: &Checkpoint, problems: &[String], wanted: usize) -> Error {
    const SHOWN: usize = 8;
    let shown = problems[..problems.len().min(SHOWN)].join("; ");
    let more = match problems.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    let have: Vec<&str> = file.names().take(4).collect();
    Error::input(
        file.path(),
        format!(
            "{} of the network's {wanted} tensors do not fit: {shown}{more}",
            problems.len()
        ),
    )
    .with_hint(format!(
        "the file's own names start with {have:?}; check architecture, encoder, width and number of classes"
    ))
}

/// What to do with a first convolution made for RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stem {
    /// It must fit.
    Exact,
    /// Adapt it to the network's image channels.
    Adapted,
}

impl Stem {
    fn fits(self, name: &str, found: &[usize], wanted: &[usize]) -> bool {
        let first = ["conv1.weight", "features.0.weight", "features.0.0.weight"].contains(&name);
        self == Self::Adapted
            && first
            && found.len() == 4
            && found[1] == 3
            && (found[0], &found[2..]) == (wanted[0], &wanted[2..])
    }
}

/// smp's `patch_first_conv` on `[out, 3, k, k]`: the sum over channels for one channel, else channel `i mod 3` scaled
/// by `3 / n`.
fn adapt_stem(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let (to, area) = (shape[1], shape[2] * shape[3]);
    let weight = |filter: &[f32], c: usize, p: usize| match to {
        1 => filter[p] + filter[area + p] + filter[2 * area + p],
        _ => filter[(c % 3) * area + p] * 3.0 / to as f32,
    };
    let mut adapted = Vec::with_capacity(shape.iter().product());
    for filter in values.chunks_exact(3 * area) {
        for c in 0..to {
            adapted.extend((0..area).map(|p| weight(filter, c, p)));
        }
    }
    adapted
}

struct Fill {
    path: StatePath,
    values: BTreeMap<String, Vec<f32>>,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.values.remove(&self.path.name()) else {
            return param;
        };
        let shape = param.dims();
        let tracked = param.val().is_require_grad();
        param.map(|old| {
            let new = Tensor::from_data(TensorData::new(values, shape), &old.device());
            if tracked { new.require_grad() } else { new }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grey_stem_sums_the_colours_and_a_four_channel_one_repeats_them() {
        // One filter, three channels, a 1x2 kernel.
        let rgb = [1.0, 2.0, 10.0, 20.0, 100.0, 200.0];
        assert_eq!(adapt_stem(&rgb, &[1, 1, 1, 2]), [111.0, 222.0]);
        let four = adapt_stem(&rgb, &[1, 4, 1, 2]);
        let scaled: Vec<f32> = [1.0, 2.0, 10.0, 20.0, 100.0, 200.0, 1.0, 2.0]
            .iter()
            .map(|v| v * 3.0 / 4.0)
            .collect();
        assert_eq!(four, scaled);
    }
}
