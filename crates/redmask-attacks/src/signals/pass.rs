//! The one pass over an image's class scores.

use redmask_core::{Error, IGNORE, LabelMap, Result, ScoreKind};
use serde::{Deserialize, Serialize};

use super::agreement::{Agreement, boundary_f1};
use super::boundary::boundary_distance;
use super::dice::{DiceForm, DiceSums};
use super::pixel::{PixelTerms, PixelWeights};
use super::quantile::quantiles;
use super::signal::RecordSignals;

const QUANTILES: [f64; 5] = [0.50, 0.75, 0.90, 0.95, 0.99];

/// How signals are computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalConfig {
    /// Pixel margins are clipped to `+-margin_clip` nats, so that a few certain pixels do not carry the mean.
    pub margin_clip: f64,
    /// Radius of the boundary band and of the boundary F1, pixels, chessboard distance.
    pub boundary_radius: u16,
    /// The Dice loss.
    pub dice: DiceForm,
}

impl Default for SignalConfig {
    fn default() -> Self {
        Self {
            margin_clip: 20.0,
            boundary_radius: 3,
            dice: DiceForm::PresentClasses,
        }
    }
}

/// A loss and a margin, summed.
#[derive(Debug, Clone, Copy, Default)]
struct Region {
    pixels: f64,
    loss: f64,
    margin: f64,
}

impl Region {
    fn add(&mut self, loss: f64, margin: f64) {
        self.pixels += 1.0;
        self.loss += loss;
        self.margin += margin;
    }

    fn mean(&self) -> Option<(f64, f64)> {
        (self.pixels > 0.0).then(|| (self.loss / self.pixels, self.margin / self.pixels))
    }
}

/// All sums of one image.
struct Sums {
    config: SignalConfig,
    pixel: PixelWeights,
    whole: Region,
    band: Region,
    classes: Vec<Region>,
    cells: [Region; 16],
    agreement: Agreement,
    dice: DiceSums,
    hinge: f64,
    entropy: f64,
    modified_entropy: f64,
    losses: Vec<f32>,
    predicted: Vec<u8>,
}

/// Computes every signal of one image from its scores `[k, h, w]`.
///
/// # Errors
/// [`Error::Internal`] if the scores do not fill `[classes, h, w]`; [`Error::Numeric`] if no pixel is labelled or a
/// label is neither below `classes` nor [`IGNORE`].
pub fn record_signals(
    scores: &[f32],
    kind: ScoreKind,
    classes: usize,
    labels: &LabelMap,
    config: &SignalConfig,
) -> Result<RecordSignals> {
    let plane = labels.data().len();
    if scores.len() != classes * plane {
        return Err(Error::Internal(format!(
            "{} scores for {classes} classes of {plane} pixels",
            scores.len()
        )));
    }
    let (height, width) = (labels.height(), labels.width());
    let distance = boundary_distance(labels.data(), height, width);
    let mut sums = Sums::new(*config, classes, plane);
    for (i, &label) in labels.data().iter().enumerate() {
        sums.pixel.read(scores, kind, plane, i);
        sums.entropy += sums.pixel.entropy();
        sums.predicted.push(if label == IGNORE {
            IGNORE
        } else {
            sums.pixel.predicted() as u8
        });
        if label == IGNORE {
            continue;
        }
        if usize::from(label) >= classes {
            return Err(Error::numeric(
                "a label",
                format!("class {label}, but the model scores {classes} classes"),
            ));
        }
        let cell = (i / width * 4 / height) * 4 + i % width * 4 / width;
        sums.add(
            usize::from(label),
            cell,
            distance[i] <= config.boundary_radius,
        );
    }
    sums.finish(&distance, height, width)
}

impl Sums {
    fn new(config: SignalConfig, classes: usize, plane: usize) -> Self {
        Self {
            config,
            pixel: PixelWeights::new(classes),
            whole: Region::default(),
            band: Region::default(),
            classes: vec![Region::default(); classes],
            cells: [Region::default(); 16],
            agreement: Agreement::new(classes),
            dice: DiceSums::new(classes),
            hinge: 0.0,
            entropy: 0.0,
            modified_entropy: 0.0,
            losses: Vec::with_capacity(plane),
            predicted: Vec::with_capacity(plane),
        }
    }

    fn add(&mut self, label: usize, cell: usize, in_band: bool) {
        let PixelTerms {
            loss,
            margin,
            hinge,
            modified_entropy,
        } = self.pixel.terms(label);
        let margin = margin.clamp(-self.config.margin_clip, self.config.margin_clip);
        self.whole.add(loss, margin);
        self.classes[label].add(loss, margin);
        self.cells[cell].add(loss, margin);
        if in_band {
            self.band.add(loss, margin);
        }
        self.dice.add(&self.pixel, label);
        self.hinge += hinge;
        self.modified_entropy += modified_entropy;
        self.losses.push(loss as f32);
        self.agreement.add(label, self.pixel.predicted());
    }

    fn finish(mut self, distance: &[u16], height: usize, width: usize) -> Result<RecordSignals> {
        let Some((loss, margin)) = self.whole.mean() else {
            return Err(Error::numeric(
                "the signals",
                "no pixel of the record is labelled",
            ));
        };
        let (balanced_loss, balanced_margin) = mean_of_means(&self.classes);
        let (boundary_loss, boundary_margin) = self.band.mean().unwrap_or((loss, margin));
        let found = boundary_distance(&self.predicted, height, width);
        let n = self.whole.pixels;
        Ok(RecordSignals {
            loss,
            dice: self.dice.loss(self.config.dice),
            margin,
            hinge: self.hinge / n,
            balanced_loss,
            balanced_margin,
            boundary_loss,
            boundary_margin,
            loss_quantiles: quantiles(&mut self.losses, QUANTILES),
            grid2: self.coarse_grid(margin),
            grid4: self.cells.map(|cell| cell.mean().map_or(margin, |m| m.1)),
            entropy: self.entropy / self.predicted.len() as f64,
            modified_entropy: self.modified_entropy / n,
            pixel_accuracy: self.agreement.pixel_accuracy(),
            mean_iou: self.agreement.mean_iou(),
            boundary_f1: boundary_f1(distance, &found, self.config.boundary_radius),
            gradient_norm: None,
        })
    }

    /// The 2 x 2 grid is made of the cells of the 4 x 4 grid.
    fn coarse_grid(&self, whole: f64) -> [f64; 4] {
        std::array::from_fn(|i| {
            let corner = i / 2 * 8 + i % 2 * 2;
            let mut region = Region::default();
            for cell in [corner, corner + 1, corner + 4, corner + 5].map(|c| self.cells[c]) {
                region.pixels += cell.pixels;
                region.margin += cell.margin;
            }
            region.mean().map_or(whole, |m| m.1)
        })
    }
}

fn mean_of_means(regions: &[Region]) -> (f64, f64) {
    let means: Vec<_> = regions.iter().filter_map(Region::mean).collect();
    let n = means.len() as f64;
    (
        means.iter().map(|m| m.0).sum::<f64>() / n,
        means.iter().map(|m| m.1).sum::<f64>() / n,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signals::{Signal, dice_loss, loss_map};

    fn signals(scores: &[f32], classes: usize, labels: &LabelMap) -> RecordSignals {
        record_signals(
            scores,
            ScoreKind::Logits,
            classes,
            labels,
            &SignalConfig::default(),
        )
        .expect("a valid record")
    }

    #[test]
    fn a_perfect_prediction() {
        let labels = LabelMap::new(2, 4, vec![0, 0, 1, 1, 0, 0, 1, 1]);
        let scores: Vec<f32> = [0u8, 1]
            .iter()
            .flat_map(|c| {
                labels
                    .data()
                    .iter()
                    .map(move |y| if y == c { 30.0 } else { 0.0 })
            })
            .collect();
        let s = signals(&scores, 2, &labels);
        assert!(s.loss < 1e-12 && s.dice < 1e-12 && s.entropy < 1e-10);
        assert_eq!((s.margin, s.hinge), (20.0, 30.0));
        assert_eq!(
            (s.pixel_accuracy, s.mean_iou, s.boundary_f1),
            (1.0, 1.0, 1.0)
        );
        assert_eq!(s.grid2, [20.0; 4]);
    }

    #[test]
    fn class_balance_and_boundary_band_by_hand() {
        // One wrong pixel (class 1) among five; it alone carries half of the balanced loss.
        let labels = LabelMap::new(1, 5, vec![0, 0, 0, 0, 1]);
        let mut scores = vec![2.0f32; 5];
        scores.extend([0.0; 5]);
        let s = record_signals(
            &scores,
            ScoreKind::Logits,
            2,
            &labels,
            &SignalConfig {
                boundary_radius: 1,
                ..SignalConfig::default()
            },
        )
        .expect("a valid record");
        let (right, wrong) = ((-2.0f64).exp().ln_1p(), 2.0 + (-2.0f64).exp().ln_1p());
        assert!((s.balanced_loss - f64::midpoint(right, wrong)).abs() < 1e-9);
        assert!((s.boundary_loss - f64::midpoint(right, wrong)).abs() < 1e-9);
        assert!((s.loss - (4.0 * right + wrong) / 5.0).abs() < 1e-9);
        assert_eq!(s.pixel_accuracy, 0.8);
        assert_eq!(s.mean_iou, 0.4);
        assert_eq!(s.boundary_f1, 0.0);
    }

    #[test]
    fn an_unlabelled_record_and_a_foreign_class_are_refused() {
        let config = SignalConfig::default();
        let void = LabelMap::filled(1, 2, IGNORE);
        assert!(record_signals(&[0.0; 4], ScoreKind::Logits, 2, &void, &config).is_err());
        let foreign = LabelMap::filled(1, 2, 2);
        assert!(record_signals(&[0.0; 4], ScoreKind::Logits, 2, &foreign, &config).is_err());
    }

    proptest! {
        #[test]
        fn the_pass_agrees_with_the_single_signals(
            scores in prop::collection::vec(-6f32..6.0, 3 * 30),
            truth in prop::collection::vec(prop_oneof![0u8..3, Just(IGNORE)], 30),
        ) {
            prop_assume!(truth.iter().any(|&y| y != IGNORE));
            let labels = LabelMap::new(5, 6, truth);
            let s = signals(&scores, 3, &labels);
            let valid = labels.data().iter().filter(|&&y| y != IGNORE).count() as f64;
            let map = loss_map(&scores, ScoreKind::Logits, 3, &labels);
            let mean = map.data().iter().map(|&l| f64::from(l)).sum::<f64>() / valid;
            prop_assert!((s.loss - mean).abs() < 1e-6);
            let dice = dice_loss(&scores, ScoreKind::Logits, 3, &labels, DiceForm::PresentClasses);
            prop_assert!((s.dice - dice).abs() < 1e-12);
            prop_assert!(s.loss_quantiles.is_sorted());
            prop_assert!(s.entropy <= 3f64.ln() + 1e-12);
            for signal in Signal::ALL {
                prop_assert!(signal.of(&s).is_finite());
            }
        }

        #[test]
        fn a_shift_of_all_logits_changes_nothing(
            scores in prop::collection::vec(-6f32..6.0, 3 * 12),
            truth in prop::collection::vec(0u8..3, 12),
        ) {
            let labels = LabelMap::new(3, 4, truth);
            let moved: Vec<f32> = scores.iter().map(|z| z + 8.0).collect();
            let (a, b) = (signals(&scores, 3, &labels), signals(&moved, 3, &labels));
            for signal in Signal::ALL {
                prop_assert!((signal.of(&a) - signal.of(&b)).abs() < 1e-4, "{:?}", signal);
            }
        }
    }
}
