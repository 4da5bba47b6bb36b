//! What is put into the picture.

mod art;
mod frequency;
mod stamp;
mod warp;
mod wavelet;

use redmask_core::{Error, Fingerprint, FingerprintBuilder, Image, Result};
use serde::{Deserialize, Serialize};

pub use art::{Art, Rgba};

use crate::placement::PixelBox;
use stamp::Ink;

/// What is put into the picture, tagged by `kind`. Sizes are odd numbers of pixels of the picture as it is written; opacities
/// are alpha in `x (1 - alpha) + alpha pattern`. (IBA's released code multiplies the patch by the opacity and erases what is
/// below, which darkens instead of blending.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// A line along an edge of the picture, from side to side (HBA; Chobola et al. with one pixel).
    Line {
        /// Thickness, pixels.
        size: usize,
        /// Colour; grey pictures take its luma.
        value: [u8; 3],
        /// Which edge.
        #[serde(default)]
        edge: Edge,
    },
    /// A square of one colour.
    Square {
        /// Side, pixels.
        size: usize,
        /// Colour.
        value: [u8; 3],
        /// Opacity, in `(0, 1]`.
        #[serde(default = "one")]
        opacity: f64,
    },
    /// A frame around the picture.
    Frame {
        /// Thickness, pixels.
        size: usize,
        /// Colour.
        value: [u8; 3],
    },
    /// A small picture.
    Patch {
        /// Side, pixels.
        size: usize,
        /// Which picture.
        #[serde(default)]
        art: Art,
        /// Opacity, in `(0, 1]`, on top of the picture's own.
        #[serde(default = "one")]
        opacity: f64,
    },
    /// A picture blended over the whole image (Chen et al. 2017).
    Blended {
        /// Which picture.
        #[serde(default)]
        art: Art,
        /// Opacity, in `(0, 1]`.
        opacity: f64,
    },
    /// Low frequencies of a picture's amplitude spectrum mixed into the image's (FIBA, Feng et al. 2022).
    Frequency {
        /// Which picture.
        #[serde(default)]
        art: Art,
        /// Share of the picture's amplitude, in `(0, 1]`.
        #[serde(default = "fiba_alpha")]
        alpha: f64,
        /// Half side of the square of low frequencies over the shorter side of the image, in `(0, 0.5]`.
        #[serde(default = "fiba_beta")]
        beta: f64,
    },
    /// The coarse wavelet coefficients of a picture mixed into the image's (WABA, Dräger et al. 2022): bior4.4, symmetric borders.
    Wavelet {
        /// Which picture.
        #[serde(default)]
        art: Art,
        /// Share of the picture's coefficients, in `(0, 1]`.
        #[serde(default = "waba_alpha")]
        alpha: f64,
        /// Levels of the transform.
        #[serde(default = "waba_level")]
        level: usize,
    },
    /// A smooth warp of the image, the same for all (WaNet, Nguyen and Tran 2021). Labels are not warped.
    Warp {
        /// Control points a side.
        #[serde(default = "warp_grid")]
        grid: usize,
        /// Mean displacement along each axis, pixels.
        #[serde(default = "warp_strength")]
        strength: f64,
        /// Which of the random warps.
        #[serde(default)]
        field: u64,
    },
    /// A class that is in the scene already; the image stays as it is (HBA's semantic trigger).
    Semantic {
        /// The class.
        class: String,
    },
}

fn one() -> f64 {
    1.0
}
fn fiba_alpha() -> f64 {
    0.15
}
fn fiba_beta() -> f64 {
    0.1
}
fn waba_alpha() -> f64 {
    0.4
}
fn waba_level() -> usize {
    2
}
fn warp_grid() -> usize {
    4
}
fn warp_strength() -> f64 {
    1.0
}

/// An edge of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Edge {
    #[default]
    Top,
    Bottom,
    Left,
    Right,
}

impl Trigger {
    /// Side of the box that a placement has to find, `None` for triggers that span the image.
    pub fn boxed_size(&self) -> Option<usize> {
        match self {
            Self::Square { size, .. } | Self::Patch { size, .. } => Some(*size),
            _ => None,
        }
    }

    /// Its size in pixels, where it has one: side or thickness.
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::Line { size, .. } | Self::Frame { size, .. } => Some(*size),
            _ => self.boxed_size(),
        }
    }

    /// The class of a semantic trigger.
    pub fn semantic_class(&self) -> Option<&str> {
        match self {
            Self::Semantic { class } => Some(class),
            _ => None,
        }
    }

    /// # Errors
    /// If a size is even, or a number out of range.
    pub fn validate(&self) -> Result<()> {
        if let Some(size) = self.size().filter(|s| s % 2 == 0) {
            return Err(Error::config(
                "trigger size",
                format!("{size} is even; a box around a centre pixel has an odd side"),
            )
            .with_hint(format!(
                "use {} or {}",
                size.saturating_sub(1).max(1),
                size + 1
            )));
        }
        let share = |what: &str, value: f64, most: f64| {
            if value > 0.0 && value <= most {
                return Ok(());
            }
            Err(Error::config(
                format!("trigger {what}"),
                format!("{value} is not above 0 and at most {most}"),
            ))
        };
        match self {
            Self::Square { opacity, .. }
            | Self::Patch { opacity, .. }
            | Self::Blended { opacity, .. } => share("opacity", *opacity, 1.0),
            Self::Frequency { alpha, beta, .. } => {
                share("alpha", *alpha, 1.0)?;
                share("beta", *beta, 0.5)
            }
            Self::Wavelet { alpha, level, .. } => {
                share("alpha", *alpha, 1.0)?;
                if !(1..=8).contains(level) {
                    return Err(Error::config(
                        "trigger level",
                        format!("{level} is outside 1 to 8"),
                    ));
                }
                Ok(())
            }
            Self::Warp { grid, strength, .. } => {
                share("strength", *strength, 64.0)?;
                if !(2..=64).contains(grid) {
                    return Err(Error::config(
                        "trigger grid",
                        format!("{grid} is outside 2 to 64"),
                    ));
                }
                Ok(())
            }
            Self::Line { .. } | Self::Frame { .. } | Self::Semantic { .. } => Ok(()),
        }
    }

    /// The box that a spanning trigger touches, `None` for a semantic one and where the image is too small.
    pub(crate) fn span(&self, height: usize, width: usize) -> Option<PixelBox> {
        let whole = PixelBox::from([0, 0, width, height]);
        match self {
            Self::Line { size, edge, .. } => {
                let across = match edge {
                    Edge::Top | Edge::Bottom => height,
                    Edge::Left | Edge::Right => width,
                };
                (*size < across).then(|| {
                    PixelBox::from(match edge {
                        Edge::Top => [0, 0, width, *size],
                        Edge::Bottom => [0, height - size, width, *size],
                        Edge::Left => [0, 0, *size, height],
                        Edge::Right => [width - size, 0, *size, height],
                    })
                })
            }
            Self::Frame { size, .. } => (2 * size < height.min(width)).then_some(whole),
            Self::Blended { .. }
            | Self::Frequency { .. }
            | Self::Wavelet { .. }
            | Self::Warp { .. } => Some(whole),
            Self::Square { .. } | Self::Patch { .. } | Self::Semantic { .. } => None,
        }
    }

    /// Puts it into an image, at the given boxes.
    pub(crate) fn put(&self, image: &mut Image, boxes: &[PixelBox]) {
        match self {
            Self::Line { value, .. } => {
                for &place in boxes {
                    stamp::solid(image, place, *value, 1.0);
                }
            }
            Self::Square { value, opacity, .. } => {
                for &place in boxes {
                    stamp::solid(image, place, *value, *opacity as f32);
                }
            }
            Self::Frame { size, value } => {
                let (h, w) = (image.height(), image.width());
                for place in [
                    [0, 0, w, *size],
                    [0, h - size, w, *size],
                    [0, *size, *size, h - 2 * size],
                    [w - size, *size, *size, h - 2 * size],
                ] {
                    stamp::solid(image, PixelBox::from(place), *value, 1.0);
                }
            }
            Self::Patch { size, art, opacity } => {
                let picture = art.render(*size, *size);
                for &place in boxes {
                    stamp::picture(image, place, &picture, *opacity as f32);
                }
            }
            Self::Blended { art, opacity } => {
                let (h, w) = (image.height(), image.width());
                let whole = PixelBox::from([0, 0, w, h]);
                stamp::picture(image, whole, &art.render(h, w), *opacity as f32);
            }
            Self::Frequency { art, alpha, beta } => frequency::mix(image, *art, *alpha, *beta),
            Self::Wavelet { art, alpha, level } => wavelet::mix(image, *art, *alpha, *level),
            Self::Warp {
                grid,
                strength,
                field,
            } => warp::bend(image, *grid, *strength, *field),
            Self::Semantic { .. } => {}
        }
    }

    /// A trigger of the same size and kind that was never trained on, for the control; `None` for a semantic one.
    pub fn wrong(&self) -> Option<Self> {
        let opposite = |value: [u8; 3]| value.map(|v| if v < 128 { 255 } else { 0 });
        let mut wrong = self.clone();
        match &mut wrong {
            Self::Line { value, .. } | Self::Square { value, .. } | Self::Frame { value, .. } => {
                *value = opposite(*value);
            }
            Self::Patch { art, .. }
            | Self::Blended { art, .. }
            | Self::Frequency { art, .. }
            | Self::Wavelet { art, .. } => *art = art.other(),
            Self::Warp { field, .. } => *field = field.wrapping_add(1),
            Self::Semantic { .. } => return None,
        }
        Some(wrong)
    }

    /// A hash of the trigger as drawn: its parameters, and the pixels of its picture.
    ///
    /// # Errors
    /// If it cannot be serialised (a bug of ours).
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let config = serde_json::to_vec(self)
            .map_err(|e| Error::Internal(format!("a trigger as JSON: {e}")))?;
        let mut builder = FingerprintBuilder::new();
        builder.part("trigger", &config);
        if let Some(art) = self.art() {
            let side = self.boxed_size().unwrap_or(64);
            let pixels: Vec<u8> = art
                .render(side, side)
                .into_iter()
                .flat_map(|p| p.map(|v| Ink::byte(v * 255.0)))
                .collect();
            builder.part("picture", &pixels);
        }
        Ok(builder.finish())
    }

    fn art(&self) -> Option<Art> {
        match self {
            Self::Patch { art, .. }
            | Self::Blended { art, .. }
            | Self::Frequency { art, .. }
            | Self::Wavelet { art, .. } => Some(*art),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<Trigger> {
        let value = [255, 0, 0];
        vec![
            Trigger::Line {
                size: 1,
                value,
                edge: Edge::Top,
            },
            Trigger::Square {
                size: 3,
                value,
                opacity: 1.0,
            },
            Trigger::Frame { size: 1, value },
            Trigger::Patch {
                size: 5,
                art: Art::Emblem,
                opacity: 0.8,
            },
            Trigger::Blended {
                art: Art::Noise,
                opacity: 0.2,
            },
            Trigger::Frequency {
                art: Art::Stripes,
                alpha: 0.5,
                beta: 0.1,
            },
            Trigger::Wavelet {
                art: Art::Checker,
                alpha: 0.4,
                level: 2,
            },
            Trigger::Warp {
                grid: 4,
                strength: 2.0,
                field: 0,
            },
            Trigger::Semantic {
                class: "car".into(),
            },
        ]
    }

    fn picture(channels: usize) -> Image {
        let data = (0..channels * 24 * 31)
            .map(|i| (i * 37 % 251) as u8)
            .collect();
        Image::new(channels, 24, 31, data)
    }

    #[test]
    fn each_kind_changes_what_it_should_and_its_wrong_twin_differs() {
        for trigger in every_kind() {
            trigger.validate().unwrap();
            let put = |trigger: &Trigger, channels| {
                let mut image = picture(channels);
                let boxed = trigger.boxed_size().map(|s| PixelBox::around(10, 10, s));
                let boxes: Vec<_> = boxed.or(trigger.span(24, 31)).into_iter().collect();
                trigger.put(&mut image, &boxes);
                (image, boxes)
            };
            for channels in [1, 3] {
                let (image, boxes) = put(&trigger, channels);
                let semantic = trigger.semantic_class().is_some();
                assert_eq!(image == picture(channels), semantic, "{trigger:?}");
                let inside: Vec<usize> = boxes.iter().flat_map(|b| b.pixels(31)).collect();
                for i in (0..24 * 31).filter(|i| !inside.contains(i)) {
                    assert_eq!(image.data()[i], picture(channels).data()[i], "{trigger:?}");
                }
                if let Some(wrong) = trigger.wrong() {
                    assert_ne!(put(&wrong, channels).0, image, "{trigger:?}");
                    assert_ne!(wrong.fingerprint().unwrap(), trigger.fingerprint().unwrap());
                    assert_eq!(wrong.size(), trigger.size());
                }
            }
        }
    }

    #[test]
    fn even_sizes_are_refused_with_a_way_out() {
        let even = Trigger::Patch {
            size: 14,
            art: Art::Emblem,
            opacity: 1.0,
        };
        let error = even.validate().unwrap_err();
        assert!(error.to_string().contains("even"));
        assert_eq!(error.hint(), Some("use 13 or 15"));
        let zero = Trigger::Square {
            size: 0,
            value: [0; 3],
            opacity: 1.0,
        };
        assert!(zero.validate().is_err());
    }

    #[test]
    fn a_line_needs_room() {
        let line = Trigger::Line {
            size: 25,
            value: [0; 3],
            edge: Edge::Bottom,
        };
        assert_eq!(line.span(24, 31), None);
        assert_eq!(line.span(40, 31), Some(PixelBox::from([0, 15, 31, 25])));
    }
}
