//! What the teacher says to the reference records, and which of them the student hears.

use std::path::Path;

use redmask_core::{Error, LabelMap, Predictor, Result, Sample, SegDataset};
use redmask_nn::predictor::NetworkPredictor;
use serde::{Deserialize, Serialize};

use super::DistillationConfig;
use crate::checkpoint::write_file;
use crate::loss::Targets;
use crate::segmentation::TrainConfig;
use crate::trainer::TrainRun;

const FILE: &str = "lesson.json";
/// Records asked about at once; memory depends on it, results do not.
const QUERY: usize = 8;
/// Above this logit the published code says foreground.
const PUBLISHED_LOGIT: f32 = 0.5;

/// What the student learns from.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TeacherLabels {
    /// The teacher's classes.
    #[default]
    Hard,
    /// The teacher's probabilities, of logits divided by a temperature.
    Soft {
        /// The temperature.
        #[serde(default = "one")]
        temperature: f64,
    },
}

fn one() -> f64 {
    1.0
}

/// Which reference records the student learns from.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Selection {
    /// Those whose loss under the teacher is at most its mean loss on the held-out records.
    #[default]
    Loss,
    /// The share with the lowest mean entropy of the teacher's probabilities. Needs no masks.
    Entropy {
        /// The share, in (0, 1].
        share: f64,
    },
    /// All.
    All,
}

/// What the student learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// Reference records there were.
    pub candidates: usize,
    /// Positions of those that were kept, ascending.
    pub kept: Vec<usize>,
    /// The largest loss (selection by loss) or entropy (by entropy) that was kept; absent if all were.
    pub threshold: Option<f64>,
}

impl Lesson {
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Internal(format!("a lesson: {e}")))?;
        write_file(&folder.join(FILE), &text)
    }
}

/// The teacher's answers to the kept records.
#[derive(Debug)]
pub(super) enum Labels {
    Hard(Vec<LabelMap>),
    /// Probabilities `[outputs, h, w]`.
    Soft(Vec<Vec<f32>>),
}

/// One reference record under the teacher.
struct Answer {
    loss: f64,
    entropy: f64,
    hard: LabelMap,
    soft: Vec<f32>,
}

pub(super) fn teach(
    teacher: &NetworkPredictor,
    reference: &dyn SegDataset,
    validation: Option<&dyn SegDataset>,
    config: &TrainConfig,
    distillation: &DistillationConfig,
    run: &TrainRun<'_>,
) -> Result<(Lesson, Labels)> {
    let answers = ask(teacher, reference, config, distillation, run)?;
    let (kept, threshold) = match distillation.selection {
        Selection::All => ((0..answers.len()).collect(), None),
        Selection::Loss => {
            let validation = validation.filter(|v| !v.is_empty()).ok_or_else(|| {
                Error::config(
                    "distillation.selection",
                    "a selection by loss needs held-out records for its threshold",
                )
                .with_hint("select by entropy, or take all")
            })?;
            let held_out = ask(teacher, validation, config, distillation, run)?;
            let mean = held_out.iter().map(|a| a.loss).sum::<f64>() / held_out.len() as f64;
            let kept = (0..answers.len())
                .filter(|&i| answers[i].loss <= mean)
                .collect();
            (kept, Some(mean))
        }
        Selection::Entropy { share } => {
            let mut order: Vec<usize> = (0..answers.len()).collect();
            order.sort_by(|&a, &b| {
                let (a_entropy, b_entropy) = (answers[a].entropy, answers[b].entropy);
                a_entropy.total_cmp(&b_entropy).then(a.cmp(&b))
            });
            order.truncate((share * answers.len() as f64).round() as usize);
            let threshold = order.last().map(|&i| answers[i].entropy);
            order.sort_unstable();
            (order, threshold)
        }
    };
    let lesson = Lesson {
        candidates: answers.len(),
        kept,
        threshold,
    };
    if lesson.kept.is_empty() {
        return Err(Error::config(
            "distillation.selection",
            format!(
                "none of the {} reference records is kept",
                lesson.candidates
            ),
        )
        .with_hint("use more reference records, or select by entropy"));
    }
    let labels = if distillation.labels == TeacherLabels::Hard {
        Labels::Hard(
            lesson
                .kept
                .iter()
                .map(|&i| answers[i].hard.clone())
                .collect(),
        )
    } else {
        Labels::Soft(
            lesson
                .kept
                .iter()
                .map(|&i| answers[i].soft.clone())
                .collect(),
        )
    };
    Ok((lesson, labels))
}

fn ask(
    teacher: &NetworkPredictor,
    data: &dyn SegDataset,
    config: &TrainConfig,
    distillation: &DistillationConfig,
    run: &TrainRun<'_>,
) -> Result<Vec<Answer>> {
    let outputs = teacher.config().outputs();
    let temperature = match distillation.labels {
        TeacherLabels::Hard => 1.0,
        TeacherLabels::Soft { temperature } => temperature as f32,
    };
    let mut answers = Vec::with_capacity(data.len());
    let all: Vec<usize> = (0..data.len()).collect();
    for part in all.chunks(QUERY) {
        run.session.cancel.check()?;
        let samples = part
            .iter()
            .map(|&i| data.sample(i))
            .collect::<Result<Vec<Sample>>>()?;
        let scores = teacher
            .predict(&samples.iter().collect::<Vec<_>>())?
            .into_scores()?;
        let [_, k, h, w] = scores.shape();
        let labels = scores.argmax();
        let cooled: Vec<f32> = scores.data().iter().map(|z| z / temperature).collect();
        let soft = redmask_core::Scores::new(scores.kind(), scores.shape(), cooled)?;
        let soft = soft.into_probabilities();
        for ((i, sample), label) in samples.iter().enumerate().zip(labels) {
            // A network with one output is asked as two classes, of which the second is that output.
            let logits = &scores.image(i)[(k - outputs) * h * w..];
            let targets = Targets::from_maps([&sample.labels])?;
            let loss = config.loss.evaluate(logits, [1, outputs, h, w], &targets);
            let hard = if distillation.paper_compat && outputs == 1 {
                let above = logits.iter().map(|&z| u8::from(z > PUBLISHED_LOGIT));
                LabelMap::new(h, w, above.collect())
            } else {
                label
            };
            answers.push(Answer {
                loss: loss.rows.iter().sum(),
                entropy: mean_entropy(soft.image(i), h * w),
                hard,
                soft: soft.image(i)[(k - outputs) * h * w..].to_vec(),
            });
        }
    }
    Ok(answers)
}

/// Mean over pixels of `-sum_c p_c ln p_c`, nats.
fn mean_entropy(probabilities: &[f32], plane: usize) -> f64 {
    let total: f64 = probabilities
        .iter()
        .filter(|p| **p > 0.0)
        .map(|&p| -f64::from(p) * f64::from(p).ln())
        .sum();
    total / plane.max(1) as f64
}
