//! From a [`ModelSource`] to a predictor, with what else can be asked of it.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use burn::tensor::Device;
use redmask_attacks::signals::{GradientNorm, gradient_norm};
use redmask_core::{
    Capability, ClassTable, Error, Fingerprint, FingerprintBuilder, Predictor, Result, Sample,
    Seed, SegDataset,
};
use redmask_data::Limits;
use redmask_data::predictions::PredictionFolder;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::predictor::NetworkPredictor;
use redmask_nn::scaling::InputScaling;
use redmask_nn::weights::{Checkpoint, load, load_model};
use redmask_onnx::survey::ModelSurvey;
use redmask_onnx::{ChannelOrder, OnnxConfig, OnnxLimits, OnnxPredictor};

use super::architecture::{guess_architecture, parse_architecture};
use super::source::{ModelKind, ModelSource};

/// A model that can be asked.
#[derive(Debug, Clone)]
pub struct OpenModel {
    /// Where it comes from.
    pub source: ModelSource,
    /// A hash of the model and of how it is fed.
    pub fingerprint: Fingerprint,
    /// What was decided without being told, a sentence each.
    pub notes: Vec<String>,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Onnx(Box<OnnxPredictor>),
    Network(Arc<Network>),
    Predictions(PredictionFolder),
}

/// One of our networks, once for answers and once for gradients.
#[derive(Debug)]
struct Network {
    predictor: NetworkPredictor,
    tracked: SegmentationNetwork,
}

impl OpenModel {
    /// Opens a model for records with the classes of `data`.
    ///
    /// # Errors
    /// If the file cannot be used, or its classes or channels are not those of the records.
    pub fn open(source: &ModelSource, data: &dyn SegDataset) -> Result<Self> {
        let opened = match source.kind {
            ModelKind::Onnx => Self::open_onnx(source, data.class_table().len()),
            ModelKind::Weights => Self::open_weights(source),
            ModelKind::Predictions => Self::open_predictions(source, data.class_table()),
        }?;
        opened.check_fit(data)?;
        Ok(opened)
    }

    fn open_onnx(source: &ModelSource, classes: usize) -> Result<Self> {
        let survey = ModelSurvey::read(&source.path, OnnxLimits::default())?;
        survey.admit()?;
        let (config, notes) = if let Some(path) = source.options.get("config") {
            (OnnxConfig::read(Path::new(path))?, Vec::new())
        } else {
            let guess = survey.guess(Some(classes))?;
            (guess.config, guess.reasons)
        };
        let predictor = OnnxPredictor::of(survey, config)?;
        Ok(Self {
            source: source.clone(),
            fingerprint: predictor.fingerprint()?,
            notes,
            form: Form::Onnx(Box::new(predictor)),
        })
    }

    fn open_weights(source: &ModelSource) -> Result<Self> {
        let device = Device::flex();
        let tracking = device.clone().autodiff();
        let mut notes = Vec::new();
        let (config, scaling, tracked) = if source.path.is_dir() {
            let (card, network) = load_model(&source.path, &tracking)?;
            (card.network, card.scaling, network)
        } else {
            let file = Checkpoint::open(&source.path)?;
            let architecture = if let Some(architecture) = source.options.get("arch") {
                architecture.clone()
            } else {
                let guess = guess_architecture(&file)?;
                notes.push(format!(
                    "architecture: {guess}, by the file's names and shapes"
                ));
                guess
            };
            let config = parse_architecture(&architecture)?;
            let scaling = if let Some(scaling) = source.options.get("scaling") {
                parse_scaling(scaling)?
            } else {
                notes.push(
                    "scaling: cannot be seen in a file; taken to be ImageNet's, as most encoders have it"
                        .to_owned(),
                );
                InputScaling::ImageNet
            };
            // Every weight is overwritten; the seed only fills the places.
            let (network, report) = load(config.init(Seed::root(0), &tracking)?, &file)?;
            if let Some(first) = report.unused.first() {
                notes.push(format!(
                    "{} tensors of the file have no place in the network, `{first}` among them",
                    report.unused.len()
                ));
            }
            (config, scaling, network)
        };
        let predictor = NetworkPredictor::new(config, &tracked, scaling, device);
        Ok(Self {
            source: source.clone(),
            fingerprint: predictor.fingerprint()?,
            notes,
            form: Form::Network(Arc::new(Network { predictor, tracked })),
        })
    }

    fn open_predictions(source: &ModelSource, table: &ClassTable) -> Result<Self> {
        let folder = PredictionFolder::open(&source.path, table, Limits::default())?;
        let description = folder.description();
        let mut notes = Vec::new();
        if let Some(model) = &description.model {
            notes.push(format!("the predictions say they come from {model}"));
        }
        let mut builder = FingerprintBuilder::new();
        builder.part("predictions", format!("{description:?}").as_bytes());
        Ok(Self {
            source: source.clone(),
            fingerprint: builder.finish(),
            notes,
            form: Form::Predictions(folder),
        })
    }

    fn check_fit(&self, data: &dyn SegDataset) -> Result<()> {
        let fault = |problem: String| {
            Err(Error::input(&self.source.path, problem)
                .with_hint("`redmask model inspect FILE` shows what the model takes and gives"))
        };
        let (model, table) = (self.predictor().class_count(), data.class_table().len());
        if model != table {
            return fault(format!(
                "the model tells {model} classes apart, the records have {table}"
            ));
        }
        let takes = match &self.form {
            Form::Onnx(onnx) => Some(onnx.config().input.channels),
            Form::Network(network) => Some(network.predictor.config().in_channels()),
            Form::Predictions(_) => None,
        };
        match takes.filter(|&channels| channels != data.channels()) {
            Some(channels) => fault(format!(
                "the model takes images of {channels} channel(s), the records have {}",
                data.channels()
            )),
            None => Ok(()),
        }
    }

    /// The model as a predictor.
    pub fn predictor(&self) -> &dyn Predictor {
        match &self.form {
            Form::Onnx(onnx) => onnx.as_ref(),
            Form::Network(network) => &network.predictor,
            Form::Predictions(folder) => folder,
        }
    }

    /// What it offers.
    pub fn capability(&self) -> Capability {
        self.predictor().capability()
    }

    /// Whether it answers for images that nobody saved an answer for.
    pub fn can_be_queried(&self) -> bool {
        !matches!(self.form, Form::Predictions(_))
    }

    /// A hash of what is saved for these records; that of nothing for models that compute their answers.
    ///
    /// # Errors
    /// If a record's prediction is missing or cannot be read.
    pub fn saved_answers(&self, data: &dyn SegDataset) -> Result<Fingerprint> {
        match &self.form {
            Form::Predictions(folder) => {
                let ids: Vec<_> = (0..data.len()).map(|i| data.id(i)).collect();
                folder.fingerprint(&ids)
            }
            _ => Ok(Fingerprint::of(&[])),
        }
    }

    /// The gradient norm of a record; `None` for models without gradients.
    ///
    /// # Errors
    /// As [`gradient_norm`].
    pub fn gradient_norm(&self, sample: &Sample) -> Result<Option<GradientNorm>> {
        let Form::Network(network) = &self.form else {
            return Ok(None);
        };
        let predictor = &network.predictor;
        gradient_norm(
            &network.tracked,
            predictor.scaling(),
            predictor.config().in_channels(),
            sample,
            predictor.device(),
        )
        .map(Some)
    }

    /// The same model under other scalings of its input, each with its name. None where the input is not ours to scale.
    pub fn rescaled(&self) -> Vec<(String, Box<dyn Predictor>)> {
        let named = |name: &str, predictor: Box<dyn Predictor>| (name.to_owned(), predictor);
        match &self.form {
            Form::Predictions(_) => Vec::new(),
            Form::Network(network) => {
                let now = &network.predictor;
                let others = SCALINGS.iter().filter(|(_, s)| *s != now.scaling());
                others
                    .map(|(name, scaling)| {
                        let other = NetworkPredictor::new(
                            now.config().clone(),
                            &network.tracked,
                            *scaling,
                            now.device().clone(),
                        );
                        named(&format!("scaling={name}"), Box::new(other))
                    })
                    .collect()
            }
            Form::Onnx(onnx) => {
                let now = &onnx.config().input;
                let mut others = Vec::new();
                let orders: &[ChannelOrder] = if now.channels == 3 {
                    &[ChannelOrder::Rgb, ChannelOrder::Bgr]
                } else {
                    &[ChannelOrder::Rgb]
                };
                for &order in orders {
                    for (name, scale, mean, std) in onnx_scalings(now.channels) {
                        let same = order == now.order
                            && scale == now.scale
                            && mean == now.mean
                            && std == now.std;
                        if same {
                            continue;
                        }
                        let word = match order {
                            ChannelOrder::Rgb => "rgb",
                            ChannelOrder::Bgr => "bgr",
                        };
                        if let Ok(other) = onnx.rescaled(order, scale, mean, std) {
                            others.push(named(&format!("{name}, order = {word}"), Box::new(other)));
                        }
                    }
                }
                others
            }
        }
    }
}

const SCALINGS: [(&str, InputScaling); 3] = [
    ("unit", InputScaling::Unit),
    ("imagenet", InputScaling::ImageNet),
    ("raw255", InputScaling::Raw255),
];

fn onnx_scalings(channels: usize) -> Vec<(&'static str, f32, Vec<f32>, Vec<f32>)> {
    let (zeros, ones) = (vec![0.0; channels], vec![1.0; channels]);
    let mut scalings = vec![
        (
            "0 to 1 (scale = 1/255, mean 0, std 1)",
            1.0 / 255.0,
            zeros.clone(),
            ones.clone(),
        ),
        (
            "0 to 255 (scale = 1, mean 0, std 1)",
            1.0,
            zeros,
            ones.clone(),
        ),
        (
            "-1 to 1 (scale = 2/255, mean 1, std 1)",
            2.0 / 255.0,
            ones.clone(),
            ones,
        ),
    ];
    if channels == 3 {
        scalings.push((
            "ImageNet's mean and deviation",
            1.0 / 255.0,
            vec![0.485, 0.456, 0.406],
            vec![0.229, 0.224, 0.225],
        ));
    }
    scalings
}

fn parse_scaling(text: &str) -> Result<InputScaling> {
    let found = SCALINGS.iter().find(|(name, _)| *name == text);
    found.map(|(_, scaling)| *scaling).ok_or_else(|| {
        Error::config(format!("scaling `{text}`"), "there is no such scaling")
            .with_hint("unit (0 to 1), imagenet (standardised), or raw255 (0 to 255)")
    })
}

/// A scaling by name, for the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingName(String);

impl ScalingName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScalingName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_scaling(text).map(|_| Self(text.to_owned()))
    }
}
