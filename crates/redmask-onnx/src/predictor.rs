//! An ONNX model as a predictor.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use redmask_core::{
    Capability, Error, Fingerprint, FingerprintBuilder, LabelMap, Prediction, Predictor, Result,
    Sample, ScoreKind, Scores,
};
use redmask_data::resize_raster;
use tract_onnx::prelude::{Tensor, TractResult, tvec};

use crate::config::{Activation, ChannelOrder, InputConfig, Layout, OnnxConfig};
use crate::graph::{Plan, build, root_cause};
use crate::limits::OnnxLimits;
use crate::prepare::{input_of, resize_plane};
use crate::survey::ModelSurvey;

/// An ONNX model, ready to answer.
///
/// One image is one run, and images run in parallel: the answers do not depend on the number of threads or on the batch,
/// and a model that was exported for a batch of one is served too. A model of one output channel answers with two
/// classes. Where the model's input size is not the record's, the image is resized on the way in (bilinear) and the
/// scores on the way out (bilinear; labels nearest).
#[derive(Clone)]
pub struct OnnxPredictor {
    survey: Arc<ModelSurvey>,
    config: OnnxConfig,
    /// By height and width of the input; shared with copies that only scale pixels otherwise.
    plans: Arc<Mutex<BTreeMap<[usize; 2], Plan>>>,
}

impl std::fmt::Debug for OnnxPredictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxPredictor")
            .field("path", &self.survey.path())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl OnnxPredictor {
    /// Opens a model. Its graph is built when the first image comes, for the size of that image, unless the
    /// configuration names a size: then at once.
    ///
    /// # Errors
    /// If the file cannot be used (see [`ModelSurvey::read`] and [`ModelSurvey::admit`]), the configuration is out of
    /// range, or the two do not fit.
    pub fn open(path: &Path, config: OnnxConfig, limits: OnnxLimits) -> Result<Self> {
        Self::of(ModelSurvey::read(path, limits)?, config)
    }

    /// Opens a surveyed model.
    ///
    /// # Errors
    /// As [`OnnxPredictor::open`].
    pub fn of(survey: ModelSurvey, config: OnnxConfig) -> Result<Self> {
        survey.admit()?;
        config.validate()?;
        let predictor = Self {
            survey: Arc::new(survey),
            config,
            plans: Arc::default(),
        };
        if let Some(size) = predictor.config.input.size {
            predictor.plan(size)?;
        }
        Ok(predictor)
    }

    /// How it is fed and read.
    pub fn config(&self) -> &OnnxConfig {
        &self.config
    }

    /// The same model under another scaling of pixels: `scale`, then `mean` and `std` of each channel. What was built of
    /// the model is shared.
    ///
    /// # Errors
    /// If the numbers are out of range.
    pub fn rescaled(
        &self,
        order: ChannelOrder,
        scale: f32,
        mean: Vec<f32>,
        std: Vec<f32>,
    ) -> Result<Self> {
        let mut copy = self.clone();
        copy.config.input = InputConfig {
            order,
            scale,
            mean,
            std,
            ..copy.config.input
        };
        copy.config.validate()?;
        Ok(copy)
    }

    /// The file.
    pub fn survey(&self) -> &ModelSurvey {
        &self.survey
    }

    /// A hash of the model, its weights and its configuration.
    ///
    /// # Errors
    /// If a file of weights beside the model cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let config = toml::to_string(&self.config)
            .map_err(|e| Error::Internal(format!("ONNX configuration: {e}")))?;
        let mut builder = FingerprintBuilder::new();
        builder.part("model", self.survey.fingerprint()?.to_hex().as_bytes());
        builder.part("config", config.as_bytes());
        Ok(builder.finish())
    }

    fn plan(&self, size: [usize; 2]) -> Result<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&size) {
            return Ok(Arc::clone(plan));
        }
        let [h, w] = size;
        let channels = self.config.input.channels;
        let shape = match self.config.input.layout {
            Layout::Nchw => [1, channels, h, w],
            Layout::Nhwc => [1, h, w, channels],
        };
        let (input, output) = (&self.config.input.name, &self.config.output.name);
        let plan = build(&self.survey, input, output, shape)?;
        // A data set of many sizes must not keep a copy of the weights for each.
        if plans.len() >= 8 {
            plans.clear();
        }
        plans.insert(size, Arc::clone(&plan));
        Ok(plan)
    }

    /// The numbers of the output and their shape `[h, w, channels]` once the layout is undone.
    fn run(&self, plan: &Plan, sample: &Sample, size: [usize; 2]) -> Result<Answer> {
        let input = &self.config.input;
        if sample.image.channels() != input.channels {
            return Err(Error::unsupported(
                format!("record {}", sample.id),
                format!(
                    "the model takes {} channel(s), the image has {}",
                    input.channels,
                    sample.image.channels()
                ),
            ));
        }
        let (values, shape) = input_of(&sample.image, input, size)?;
        let failed = |problem: String| {
            Error::input(
                self.survey.path(),
                format!("on record {}: {problem}", sample.id),
            )
        };
        // tract has asserts on paths that only malformed models take.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let tensor = Tensor::from_shape(&shape, &values)?;
            let outputs = plan.run(tvec!(tensor.into()))?;
            let output = outputs[0].cast_to::<f32>()?.into_owned();
            let values = output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
            TractResult::Ok((values, output.shape().to_vec()))
        }));
        let (values, shape) = match ran {
            Ok(Ok(output)) => output,
            Ok(Err(e)) => return Err(failed(root_cause(&e))),
            Err(_) => return Err(failed("the model is malformed".to_owned())),
        };
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
            return Err(Error::numeric(
                format!("record {}", sample.id),
                format!("{} returned {bad}", self.survey.path().display()),
            ));
        }
        Answer::of(values, &shape, &self.config).map_err(failed)
    }
}

/// Planes of one image.
struct Answer {
    channels: usize,
    size: [usize; 2],
    planes: Vec<f32>,
}

impl Answer {
    /// Undoes the layout; the error says what was expected.
    fn of(values: Vec<f32>, shape: &[usize], config: &OnnxConfig) -> Result<Self, String> {
        let labels = config.output.activation == Activation::Labels;
        // Labels often come without a channel axis.
        let (channels, size) = match (config.output.layout, shape) {
            (Layout::Nchw, &[1, c, h, w]) | (Layout::Nhwc, &[1, h, w, c]) => (c, [h, w]),
            (_, &[1, h, w]) => (1, [h, w]),
            _ => {
                return Err(format!(
                    "its output has shape {shape:?}, no segmentation of one image"
                ));
            }
        };
        let classes = config.output.classes;
        let fits = if labels {
            channels == 1
        } else {
            channels == classes || (channels == 1 && classes == 2)
        };
        if !fits {
            return Err(format!(
                "its output has shape {shape:?}, {} were expected",
                if labels {
                    "labels in one channel".to_owned()
                } else {
                    format!("scores of {classes} classes")
                }
            ));
        }
        let planes = match config.output.layout {
            Layout::Nhwc if channels > 1 => {
                let plane = size[0] * size[1];
                let mut planes = vec![0.0; values.len()];
                for (i, pixel) in values.chunks_exact(channels).enumerate() {
                    for (c, &value) in pixel.iter().enumerate() {
                        planes[c * plane + i] = value;
                    }
                }
                planes
            }
            _ => values,
        };
        Ok(Self {
            channels,
            size,
            planes,
        })
    }

    /// Scores `[k, h, w]` at the size of the labels.
    fn scores(&self, config: &OnnxConfig, to: [usize; 2]) -> Result<Vec<f32>> {
        let plane = self.size[0] * self.size[1];
        let mut scores = Vec::with_capacity(config.output.classes * to[0] * to[1]);
        for values in self.planes.chunks_exact(plane.max(1)) {
            scores.extend(resize_plane(values, self.size, to)?);
        }
        if self.channels == 1 {
            let other: Vec<f32> = match config.output.activation {
                Activation::Probabilities => scores.iter().map(|p| 1.0 - p).collect(),
                _ => vec![0.0; scores.len()],
            };
            return Ok([other, scores].concat());
        }
        Ok(scores)
    }

    fn labels(&self, sample: &Sample, config: &OnnxConfig) -> Result<LabelMap> {
        let classes = config.output.classes as f32;
        let ids = self
            .planes
            .iter()
            .map(|&v| (v >= 0.0 && v < classes && v.fract() == 0.0).then_some(v as u8))
            .collect::<Option<Vec<u8>>>();
        let Some(ids) = ids else {
            return Err(Error::numeric(
                format!("record {}", sample.id),
                format!(
                    "the model returned a label that is none of {} classes",
                    config.output.classes
                ),
            ));
        };
        let map = LabelMap::new(self.size[0], self.size[1], ids);
        Ok(resize_raster(
            &map,
            sample.labels.height(),
            sample.labels.width(),
        ))
    }
}

impl Predictor for OnnxPredictor {
    fn capability(&self) -> Capability {
        match self.config.output.activation {
            Activation::Labels => Capability::Labels,
            Activation::Logits | Activation::Probabilities => Capability::Scores,
        }
    }

    fn class_count(&self) -> usize {
        self.config.output.classes
    }

    fn predict(&self, batch: &[&Sample]) -> Result<Prediction> {
        let Some(first) = batch.first() else {
            return Err(Error::Internal("an empty batch".into()));
        };
        let own = [first.image.height(), first.image.width()];
        let size = self.config.input.size.unwrap_or(own);
        let plan = self.plan(size)?;
        // Collected before it is judged: the error is the first record's, whichever thread met one first.
        let answers: Vec<_> = batch
            .par_iter()
            .map(|sample| self.run(&plan, sample, size))
            .collect();
        let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
        let kind = match self.config.output.activation {
            Activation::Labels => {
                let maps = answers.iter().zip(batch);
                let maps = maps.map(|(answer, sample)| answer.labels(sample, &self.config));
                return Ok(Prediction::Labels(maps.collect::<Result<_>>()?));
            }
            Activation::Logits => ScoreKind::Logits,
            Activation::Probabilities => ScoreKind::Probabilities,
        };
        let to = [first.labels.height(), first.labels.width()];
        let planes: Vec<_> = answers
            .par_iter()
            .map(|answer| answer.scores(&self.config, to))
            .collect();
        let planes = planes.into_iter().collect::<Result<Vec<_>>>()?;
        let shape = [batch.len(), self.config.output.classes, to[0], to[1]];
        Scores::new(kind, shape, planes.concat()).map(Prediction::Scores)
    }
}
