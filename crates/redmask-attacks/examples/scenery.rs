//! Whether a procedural scenery behaves like data:
//!
//! ```sh
//! cargo run --release --example scenery -- street [SEED [EPOCHS [SIDE]]]
//! ```
//!
//! - a U-Net trained on 100 scenes segments 200 fresh ones, well above a per-pixel colour classifier;
//! - it does better on its own 100, and a threshold on its loss tells them from the fresh ones;
//! - two seeds share no near-duplicate, and a blind classifier cannot tell one seed's scenes from another's;
//! - scenes are drawn by the thousand a minute.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use rayon::prelude::*;
use redmask_attacks::controls::{BlindConfig, blind};
use redmask_attacks::signals::{RecordSignals, Signal, SignalConfig, collect, predict_in_batches};
use redmask_core::{
    Error, IGNORE, LabelMap, Prediction, Predictor, Result, Sample, Seed, SegDataset, Session,
    Subset,
};
use redmask_data::{
    Augmentation, CachedDataset, CheckOptions, OpenOptions, near_duplicates_between, open,
};
use redmask_metrics::interval::{GroupedBootstrap, GroupedScores, RocStatistic};
use redmask_metrics::{AbsentClass, ConfusionMatrix};
use redmask_nn::network::{NetworkConfig, UnetConfig};
use redmask_nn::predictor::NetworkPredictor;
use redmask_train::loss::{LossConfig, Reduction};
use redmask_train::optim::{OptimizerConfig, Schedule};
use redmask_train::{TrainConfig, TrainRun, train_segmentation};

/// Scenes the network is trained on.
const TRAINED: usize = 100;
/// Fresh scenes of the same seed.
const FRESH: usize = 200;

struct Arguments {
    scenery: String,
    seed: u64,
    epochs: u32,
    side: usize,
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut words = std::env::args().skip(1);
        let scenery = words.next().unwrap_or_else(|| "street".to_owned());
        let mut number = |name: &str, default: u64| match words.next() {
            None => Ok(default),
            Some(word) => word
                .parse()
                .map_err(|_| Error::config(name, format!("`{word}` is not a whole number"))),
        };
        Ok(Self {
            scenery,
            seed: number("SEED", 0)?,
            epochs: number("EPOCHS", 120)? as u32,
            side: number("SIDE", 96)? as usize,
        })
    }

    fn scenes(&self, seed: u64, count: usize, side: usize) -> Result<Arc<dyn SegDataset>> {
        let spec = format!("{}:{seed}?count={count}", self.scenery);
        let options = OpenOptions {
            size: Some((side, side)),
            ..OpenOptions::default()
        };
        open(&spec.parse()?, &options)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    speed(&arguments)?;
    two_seeds(&arguments)?;
    learning(&arguments)
}

fn speed(arguments: &Arguments) -> Result<()> {
    let scenes = arguments.scenes(arguments.seed, 1000, 128)?;
    let start = Instant::now();
    (0..scenes.len())
        .into_par_iter()
        .try_for_each(|i| scenes.sample(i).map(drop))?;
    let rate = scenes.len() as f64 / start.elapsed().as_secs_f64() * 60.0;
    println!(
        "{rate:.0} scenes of 128 x 128 a minute on {} threads",
        rayon::current_num_threads()
    );
    Ok(())
}

fn two_seeds(arguments: &Arguments) -> Result<()> {
    let session = Session::default();
    let [a, b] = [arguments.seed, arguments.seed + 1].map(|seed| arguments.scenes(seed, 1000, 64));
    let (a, b) = (a?, b?);
    let twins = near_duplicates_between(&*a, &*b, &CheckOptions::default(), &session)?;
    println!(
        "{} near-duplicates among 1000 x 1000 pairs of two seeds",
        twins.len()
    );
    let first = |data, n| Subset::new(data, (0..n).collect());
    let outcome = blind(
        &first(a, 400)?,
        &first(b, 400)?,
        &BlindConfig::default(),
        Seed::root(0),
        &session,
    )?;
    println!(
        "blind classifier between 400 scenes of each seed: AUC {:.3} [{:.3}, {:.3}], p = {:.3}",
        outcome.auc.value, outcome.auc.low, outcome.auc.high, outcome.p_value
    );
    Ok(())
}

fn learning(arguments: &Arguments) -> Result<()> {
    let session = Session::default();
    let scenes = arguments.scenes(arguments.seed, TRAINED + FRESH, arguments.side)?;
    let scenes: Arc<dyn SegDataset> = Arc::new(CachedDataset::load(&*scenes, &session)?);
    let trained = Subset::new(Arc::clone(&scenes), (0..TRAINED).collect())?;
    let fresh = Subset::new(Arc::clone(&scenes), (TRAINED..TRAINED + FRESH).collect())?;
    let classes = scenes.class_table().len();
    let (colour, exponent) = ColourClassifier::best(&trained, &fresh)?;

    let architecture = NetworkConfig::Unet(UnetConfig {
        width: 0.5,
        ..UnetConfig::default()
    })
    .for_data(classes, 3);
    let config = TrainConfig {
        epochs: arguments.epochs,
        batch_size: 4,
        loss: LossConfig::cross_entropy(Reduction::Batch),
        augmentation: Augmentation {
            horizontal_flip: true,
            max_scale: 0.3,
            ..Augmentation::default()
        },
        optimizer: OptimizerConfig::nadam(1e-3),
        schedule: Schedule::Cosine { floor: 0.02 },
        validate_every: 10,
        ..TrainConfig::default()
    };
    let folder =
        tempfile::tempdir().map_err(|e| Error::io("the temporary folder", "creating", e))?;
    let run = TrainRun::new(Seed::root(arguments.seed), folder.path(), &session);
    let device = Device::flex();
    let network = architecture.init(run.seed.child("weights"), &device.clone().autodiff())?;
    let start = Instant::now();
    let outcome = train_segmentation(
        &architecture,
        network,
        &trained,
        Some(&fresh),
        &config,
        &run,
    )?;
    println!(
        "U-Net/ResNet-34 x0.5, {TRAINED} scenes of {side} x {side}, {} epochs in {:.0} s; held-out mIoU by epoch:",
        config.epochs,
        start.elapsed().as_secs_f64(),
        side = arguments.side,
    );
    for record in &outcome.history {
        if let Some(held_out) = record.report.validation {
            println!(
                "  {:3}  loss {:.3}  mIoU {:.3}",
                record.epoch, record.train_loss, held_out.miou
            );
        }
    }
    let model = NetworkPredictor::new(architecture, &outcome.network, config.scaling, device);
    let (seen, unseen) = (matrix(&model, &trained)?, matrix(&model, &fresh)?);
    println!(
        "{:12} {:>8} {:>8} {:>8} {:>8}",
        "class", "pixels", "trained", "fresh", "colour"
    );
    for (class, info) in scenes.class_table().classes().iter().enumerate() {
        let iou = |m: &ConfusionMatrix| m.class(class).iou().unwrap_or(f64::NAN);
        println!(
            "{:12} {:8.4} {:8.3} {:8.3} {:8.3}",
            info.name,
            unseen.class(class).truth as f64 / unseen.total() as f64,
            iou(&seen),
            iou(&unseen),
            iou(&colour),
        );
    }
    println!(
        "{:12} {:8} {:8.3} {:8.3} {:8.3}  (colour: prior to the power {exponent}, the best on the fresh scenes)",
        "mean",
        "",
        miou(&seen)?,
        miou(&unseen)?,
        miou(&colour)?
    );
    exposure(&model, &trained, &fresh)
}

/// How well single signals of the trained model tell its training scenes from fresh ones.
fn exposure(model: &NetworkPredictor, trained: &Subset, fresh: &Subset) -> Result<()> {
    let session = Session::default();
    let config = SignalConfig::default();
    let members = collect(model, trained, 8, &config, &session)?;
    let others = collect(model, fresh, 8, &config, &session)?;
    for signal in [
        Signal::Loss,
        Signal::DiceLogit,
        Signal::Margin,
        Signal::MeanIou,
    ] {
        let scores = |records: &[RecordSignals]| {
            GroupedScores::ungrouped(records.iter().map(|r| signal.of(r)).collect()).map_err(failed)
        };
        let bootstrap = GroupedBootstrap::new(Seed::root(0));
        let auc = bootstrap
            .roc(&scores(&members)?, &scores(&others)?, &[RocStatistic::Auc])
            .map_err(failed)?[0];
        println!(
            "membership by {signal:?}: AUC {:.3} [{:.3}, {:.3}]",
            auc.value, auc.low, auc.high
        );
    }
    Ok(())
}

fn failed(error: redmask_metrics::MetricError) -> Error {
    Error::numeric("a metric", error.to_string())
}

fn miou(matrix: &ConfusionMatrix) -> Result<f64> {
    matrix.miou(AbsentClass::Skip).map_err(failed)
}

fn matrix(model: &NetworkPredictor, data: &dyn SegDataset) -> Result<ConfusionMatrix> {
    let mut matrix = ConfusionMatrix::new(model.class_count());
    predict_in_batches(
        model,
        data,
        8,
        &Session::default(),
        |_, samples, prediction| {
            let maps = match prediction {
                Prediction::Scores(scores) => scores.argmax(),
                Prediction::Labels(maps) => maps,
            };
            for (sample, map) in samples.iter().zip(&maps) {
                matrix.add(&sample.labels, map).map_err(failed)?;
            }
            Ok(())
        },
    )?;
    Ok(matrix)
}

/// Predicts a pixel's class from its colour alone: class counts in 16 x 16 x 16 bins.
struct ColourClassifier {
    classes: usize,
    counts: Vec<f64>,
}

impl ColourClassifier {
    fn bin(sample: &Sample, pixel: usize) -> usize {
        let plane = sample.image.height() * sample.image.width();
        (0..3).fold(0, |bin, c| {
            bin * 16 + usize::from(sample.image.data()[c * plane + pixel] >> 4)
        })
    }

    fn fit(data: &dyn SegDataset) -> Result<Self> {
        let classes = data.class_table().len();
        let mut counts = vec![0.0; 4096 * classes];
        for index in 0..data.len() {
            let sample = data.sample(index)?;
            for (pixel, &label) in sample.labels.data().iter().enumerate() {
                if label != IGNORE {
                    counts[Self::bin(&sample, pixel) * classes + usize::from(label)] += 1.0;
                }
            }
        }
        Ok(Self { classes, counts })
    }

    /// The class of each bin: the largest count over the class's total to the power `exponent`. Zero maximises the
    /// pixel accuracy, one the mean recall.
    fn table(&self, exponent: f64) -> Vec<u8> {
        let totals: Vec<f64> = (0..self.classes)
            .map(|c| {
                self.counts
                    .iter()
                    .skip(c)
                    .step_by(self.classes)
                    .sum::<f64>()
                    .max(1.0)
            })
            .collect();
        let bins = self.counts.chunks_exact(self.classes);
        bins.map(|counts| {
            let weight =
                |c: usize| (counts[c] + 1e-3 * totals[c] / 4096.0) / totals[c].powf(exponent);
            let best = (0..self.classes).max_by(|&a, &b| weight(a).total_cmp(&weight(b)));
            best.unwrap_or(0) as u8
        })
        .collect()
    }

    /// The confusion matrix on `fresh` of the best of five weights of the prior, chosen there: more than a classifier
    /// could have, so a network that beats it beats colour.
    fn best(trained: &dyn SegDataset, fresh: &dyn SegDataset) -> Result<(ConfusionMatrix, f64)> {
        let classifier = Self::fit(trained)?;
        let mut best: Option<(ConfusionMatrix, f64)> = None;
        for exponent in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let table = classifier.table(exponent);
            let mut matrix = ConfusionMatrix::new(classifier.classes);
            for index in 0..fresh.len() {
                let sample = fresh.sample(index)?;
                let (h, w) = (sample.labels.height(), sample.labels.width());
                let guess = (0..h * w)
                    .map(|pixel| table[Self::bin(&sample, pixel)])
                    .collect();
                matrix
                    .add(&sample.labels, &LabelMap::new(h, w, guess))
                    .map_err(failed)?;
            }
            let better = match &best {
                None => true,
                Some((old, _)) => miou(&matrix)? > miou(old)?,
            };
            if better {
                best = Some((matrix, exponent));
            }
        }
        best.ok_or_else(|| Error::Internal("no weight of the prior was tried".into()))
    }
}
