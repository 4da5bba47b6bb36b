//! From the values of a mask file to classes, and back.

use std::collections::BTreeMap;
use std::path::Path;

use redmask_core::{ClassId, Error, IGNORE, InstanceMap, LabelMap, Result};

use super::decode::{RawMask, RawPixels};

/// How a mask file encodes classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelCode {
    /// Grey levels above the threshold are class 1, others class 0.
    Threshold(u16),
    /// Each value stands for a class, or for [`IGNORE`]; other values are errors.
    Ids(BTreeMap<u16, ClassId>),
    /// Each colour stands for a class, or for [`IGNORE`]; other colours are errors. Palette PNGs are looked up by colour.
    Colours(BTreeMap<[u8; 3], ClassId>),
    /// The file holds instance ids: 0 is class 0, others class 1.
    Instances,
}

impl LabelCode {
    /// The values `0..classes` as they are, and `ignored` ones.
    pub fn plain(classes: usize, ignored: &[u16]) -> Self {
        Self::Ids(
            (0..classes as u16)
                .map(|id| (id, id as ClassId))
                .chain(ignored.iter().map(|&value| (value, IGNORE)))
                .collect(),
        )
    }

    /// Classes of a decoded mask. `path` is named in errors.
    ///
    /// # Errors
    /// If a value is not in the code, with the place of the first one.
    pub fn decode(&self, path: &Path, mask: &RawMask) -> Result<LabelMap> {
        let at = |i: usize| format!("row {}, column {}", i / mask.width, i % mask.width);
        let data = match (self, &mask.pixels) {
            (Self::Threshold(threshold), RawPixels::Values { values, palette }) => {
                let grey = |&v: &u16| match palette.as_ref().and_then(|p| p.get(v as usize)) {
                    Some(colour) => luma(*colour),
                    None => v,
                };
                values
                    .iter()
                    .map(|v| u8::from(grey(v) > *threshold))
                    .collect()
            }
            (Self::Threshold(threshold), RawPixels::Colours(colours)) => colours
                .iter()
                .map(|&c| u8::from(luma(c) > *threshold))
                .collect(),
            (Self::Instances, RawPixels::Values { values, .. }) => {
                values.iter().map(|&v| u8::from(v > 0)).collect()
            }
            (Self::Ids(ids), RawPixels::Values { values, .. }) => {
                let mut table = vec![None; 1 << 16];
                for (&value, &class) in ids {
                    table[value as usize] = Some(class);
                }
                let class = |(i, &v): (usize, &u16)| {
                    table[v as usize].ok_or_else(|| {
                        Error::input(path, format!("the value {v} at {} is no class id", at(i)))
                            .with_hint(format!("class ids are {}", runs(ids.keys().copied())))
                    })
                };
                values
                    .iter()
                    .enumerate()
                    .map(class)
                    .collect::<Result<_>>()?
            }
            (Self::Colours(table), pixels) => {
                let class = |i: usize, colour: Option<[u8; 3]>| {
                    colour.and_then(|c| table.get(&c)).copied().ok_or_else(|| {
                        let shown = colour
                            .map_or("a missing palette entry".to_owned(), |[r, g, b]| {
                                format!("the colour #{r:02x}{g:02x}{b:02x}")
                            });
                        Error::input(path, format!("{shown} at {} is no class", at(i)))
                            .with_hint("JPEG changes colours; masks in colour must be lossless")
                    })
                };
                match pixels {
                    RawPixels::Colours(colours) => colours
                        .iter()
                        .enumerate()
                        .map(|(i, &c)| class(i, Some(c)))
                        .collect::<Result<_>>()?,
                    RawPixels::Values { values, palette } => values
                        .iter()
                        .enumerate()
                        .map(|(i, &v)| {
                            let colour = match palette {
                                Some(palette) => palette.get(v as usize).copied(),
                                None => Some([v.min(255) as u8; 3]),
                            };
                            class(i, colour)
                        })
                        .collect::<Result<_>>()?,
                }
            }
            (Self::Ids(_) | Self::Instances, RawPixels::Colours(_)) => {
                return Err(
                    Error::input(path, "the mask is in colour, ids were expected")
                        .with_hint("describe its colours as a palette"),
                );
            }
        };
        Ok(LabelMap::new(mask.height, mask.width, data))
    }

    /// The mask that decodes to `labels`.
    ///
    /// # Errors
    /// If the code has no value for a class: [`IGNORE`] in a threshold mask, say. Instance masks cannot be made from
    /// classes.
    pub fn encode(&self, labels: &LabelMap) -> Result<RawMask> {
        let none = |class: ClassId| {
            Error::unsupported(
                format!("writing class {class} in this data set's masks"),
                "their code has no value for it",
            )
        };
        let pixels = match self {
            Self::Threshold(threshold) => RawPixels::Values {
                values: labels
                    .data()
                    .iter()
                    .map(|&class| match class {
                        0 => Ok(0),
                        1 => Ok(if *threshold < 255 { 255 } else { u16::MAX }),
                        other => Err(none(other)),
                    })
                    .collect::<Result<_>>()?,
                palette: None,
            },
            Self::Ids(ids) => {
                let back = invert(ids);
                RawPixels::Values {
                    values: labels
                        .data()
                        .iter()
                        .map(|class| back.get(class).copied().ok_or_else(|| none(*class)))
                        .collect::<Result<_>>()?,
                    palette: None,
                }
            }
            Self::Colours(table) => {
                let back = invert(table);
                RawPixels::Colours(
                    labels
                        .data()
                        .iter()
                        .map(|class| back.get(class).copied().ok_or_else(|| none(*class)))
                        .collect::<Result<_>>()?,
                )
            }
            Self::Instances => {
                return Err(Error::unsupported(
                    "writing classes as instance masks",
                    "an instance mask needs instance ids",
                ));
            }
        };
        Ok(RawMask {
            height: labels.height(),
            width: labels.width(),
            pixels,
        })
    }
}

/// The lowest value of each class.
fn invert<T: Copy + Ord>(table: &BTreeMap<T, ClassId>) -> BTreeMap<ClassId, T> {
    table
        .iter()
        .rev()
        .map(|(&value, &class)| (class, value))
        .collect()
}

/// Rec. 601 luma, rounded, as the decoders of grey JPEGs compute it.
fn luma([r, g, b]: [u8; 3]) -> u16 {
    ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u16
}

/// `0-10, 255` for people.
fn runs(values: impl Iterator<Item = u16>) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == value => *last = value,
            _ => runs.push((value, value)),
        }
    }
    let shown: Vec<_> = runs
        .into_iter()
        .map(|(a, b)| {
            if a == b {
                a.to_string()
            } else {
                format!("{a}-{b}")
            }
        })
        .collect();
    shown.join(", ")
}

/// How an instance file encodes instance ids. The default takes every value but 0 for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceCode {
    /// The lowest value that is an instance; below it is stuff.
    pub lowest: u16,
    /// A value that marks no instance: VOC's object borders.
    pub void: Option<u16>,
}

impl Default for InstanceCode {
    fn default() -> Self {
        Self {
            lowest: 1,
            void: None,
        }
    }
}

impl InstanceCode {
    /// Instance ids of a decoded instance file. `path` is named in errors.
    ///
    /// # Errors
    /// If the file is in colour.
    pub fn decode(&self, path: &Path, mask: RawMask) -> Result<InstanceMap> {
        let RawPixels::Values { mut values, .. } = mask.pixels else {
            return Err(Error::input(path, "instance ids cannot be colours")
                .with_hint("store them as a grey PNG of 8 or 16 bits"));
        };
        for value in &mut values {
            if *value < self.lowest || Some(*value) == self.void {
                *value = 0;
            }
        }
        Ok(InstanceMap::new(mask.height, mask.width, values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes() -> Vec<LabelCode> {
        vec![
            LabelCode::plain(4, &[255]),
            LabelCode::Ids([(7, 0), (11, 1), (40_000, 2), (9, 3), (0, IGNORE)].into()),
            LabelCode::Colours(
                [
                    ([0; 3], 0),
                    ([9, 8, 7], 1),
                    ([1, 2, 3], 2),
                    ([5; 3], 3),
                    ([255; 3], IGNORE),
                ]
                .into(),
            ),
        ]
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(classes in proptest::collection::vec(prop_oneof![0u8..4, Just(IGNORE)], 12)) {
            let labels = LabelMap::new(3, 4, classes);
            for code in codes() {
                let mask = code.encode(&labels).unwrap();
                prop_assert_eq!(&code.decode(Path::new("m.png"), &mask).unwrap(), &labels);
            }
        }
    }

    #[test]
    fn an_unknown_id_is_named_with_its_place() {
        let mask = RawMask {
            height: 2,
            width: 2,
            pixels: RawPixels::Values {
                values: vec![0, 1, 99, 2],
                palette: None,
            },
        };
        let error = LabelCode::plain(4, &[255])
            .decode(Path::new("a/b.png"), &mask)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "a/b.png: the value 99 at row 1, column 0 is no class id"
        );
        assert_eq!(error.hint(), Some("class ids are 0-3, 255"));
    }

    #[test]
    fn a_threshold_mask_has_no_place_for_void() {
        let labels = LabelMap::new(1, 2, vec![1, IGNORE]);
        assert!(LabelCode::Threshold(127).encode(&labels).is_err());
    }
}
