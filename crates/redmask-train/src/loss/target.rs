//! What the network should have said, for a batch.

use redmask_core::{Error, IGNORE, LabelMap, Result};

/// The truth of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Class ids `[n, h, w]`; pixels labelled [`IGNORE`] take no part.
    Hard {
        /// `[n, h, w]`.
        shape: [usize; 3],
        /// Contiguous labels.
        labels: Vec<u8>,
    },
    /// Class probabilities `[n, k, h, w]`, with `k` as the logits have it (one channel: probability of the
    /// foreground). Every pixel takes part.
    Soft {
        /// `[n, k, h, w]`.
        shape: [usize; 4],
        /// Contiguous probabilities.
        probabilities: Vec<f32>,
    },
}

impl Targets {
    /// Stacks label maps of one size.
    ///
    /// # Errors
    /// If the maps differ in size.
    pub fn from_maps<'a>(maps: impl IntoIterator<Item = &'a LabelMap>) -> Result<Self> {
        let mut labels = Vec::new();
        let mut n = 0;
        let mut size = None;
        for map in maps {
            let this = (map.height(), map.width());
            if *size.get_or_insert(this) != this {
                return Err(Error::unsupported(
                    "a batch of label maps of different sizes",
                    format!("{size:?} and {this:?}; give the data set one size"),
                ));
            }
            labels.extend_from_slice(map.data());
            n += 1;
        }
        let (h, w) = size.unwrap_or((0, 0));
        Ok(Self::Hard {
            shape: [n, h, w],
            labels,
        })
    }

    /// Batches of one kind and size, one after another.
    ///
    /// # Panics
    /// If kinds or sizes differ.
    pub fn concatenated<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut parts = parts.into_iter();
        let Some(mut all) = parts.next().cloned() else {
            return Self::Hard {
                shape: [0; 3],
                labels: Vec::new(),
            };
        };
        for part in parts {
            match (&mut all, part) {
                (
                    Self::Hard { shape, labels },
                    Self::Hard {
                        shape: other,
                        labels: more,
                    },
                ) => {
                    assert_eq!(shape[1..], other[1..], "label maps of one size");
                    shape[0] += other[0];
                    labels.extend_from_slice(more);
                }
                (
                    Self::Soft {
                        shape,
                        probabilities,
                    },
                    Self::Soft {
                        shape: other,
                        probabilities: more,
                    },
                ) => {
                    assert_eq!(shape[1..], other[1..], "targets of one shape");
                    shape[0] += other[0];
                    probabilities.extend_from_slice(more);
                }
                _ => panic!("hard and soft targets in one batch"),
            }
        }
        all
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        match self {
            Self::Hard { shape, .. } => shape[0],
            Self::Soft { shape, .. } => shape[0],
        }
    }

    /// Whether the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that every label fits a network with `outputs` logit channels.
    ///
    /// # Errors
    /// If a label is neither [`IGNORE`] nor below the number of classes.
    pub fn check(&self, outputs: usize) -> Result<()> {
        let Self::Hard { labels, .. } = self else {
            return Ok(());
        };
        let classes = outputs.max(2);
        match labels
            .iter()
            .find(|&&l| l != IGNORE && usize::from(l) >= classes)
        {
            Some(label) => Err(Error::unsupported(
                format!("class {label}"),
                format!("the network has {classes} classes"),
            )),
            None => Ok(()),
        }
    }
}

/// One image's targets, seen channel by channel.
#[derive(Debug, Clone, Copy)]
pub(super) enum View<'a> {
    Hard(&'a [u8]),
    Soft(&'a [f32]),
}

impl Targets {
    pub(super) fn view(&self, image: usize) -> View<'_> {
        match self {
            Self::Hard {
                shape: [_, h, w],
                labels,
            } => View::Hard(&labels[image * h * w..(image + 1) * h * w]),
            Self::Soft {
                shape: [_, k, h, w],
                probabilities,
            } => {
                let stride = k * h * w;
                View::Soft(&probabilities[image * stride..(image + 1) * stride])
            }
        }
    }

    pub(super) fn assert_fits(&self, logits: [usize; 4]) {
        let [n, k, h, w] = logits;
        match self {
            Self::Hard { shape, labels } => {
                assert_eq!(*shape, [n, h, w], "labels must have the logits' size");
                assert_eq!(labels.len(), n * h * w, "labels must fill their shape");
            }
            Self::Soft {
                shape,
                probabilities,
            } => {
                assert_eq!(*shape, [n, k, h, w], "targets must have the logits' shape");
                assert_eq!(
                    probabilities.len(),
                    n * k * h * w,
                    "targets must fill their shape"
                );
            }
        }
    }
}

impl View<'_> {
    /// 1 for each pixel that takes part and 0 for each ignored one; `None` if all take part.
    pub(super) fn valid(self) -> Option<Vec<f32>> {
        match self {
            View::Hard(labels) if labels.contains(&IGNORE) => Some(
                labels
                    .iter()
                    .map(|&l| if l == IGNORE { 0.0 } else { 1.0 })
                    .collect(),
            ),
            _ => None,
        }
    }
}

/// Writes the target of channel `c` for each pixel into `out`, and zero where `valid` is zero. `on` and `off` are the
/// values of a hard target for its own class and for another one.
pub(super) fn fill_channel(
    view: View<'_>,
    c: usize,
    binary: bool,
    (on, off): (f32, f32),
    valid: Option<&[f32]>,
    out: &mut [f32],
) {
    match view {
        View::Hard(labels) => {
            let class = if binary { 1 } else { c as u8 };
            for (o, &label) in out.iter_mut().zip(labels) {
                *o = if label == class { on } else { off };
            }
        }
        View::Soft(p) => {
            let plane = out.len();
            out.copy_from_slice(&p[c * plane..(c + 1) * plane]);
        }
    }
    if let Some(valid) = valid {
        for (o, &v) in out.iter_mut().zip(valid) {
            *o *= v;
        }
    }
}
