//! Which form of a model's output the attack classifier learns from best, judged on shadow records alone:
//!
//! ```sh
//! cargo run --release -p redmask-attacks --example output_form -- [SEEDS [SIDE [FOLDS]]]
//! ```
//!
//! For each seed one model is trained on half of some `polyp` scenes. Its records are then cross-validated: the classifier
//! learns on the others and ranks one fold's members and non-members. No victim takes part, so the choice of a default
//! from these figures is one that an adversary can make.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are the output"
)]

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use redmask_attacks::classifier::{ClassifierAttack, ClassifierAttackConfig, OutputForm};
use redmask_attacks::membership::{MembershipAttack, MembershipInput, Shadow, Target, TargetRole};
use redmask_core::{Error, Knowledge, Predictor, Result, Seed, SegDataset, Session, Subset};
use redmask_data::{CachedDataset, OpenOptions, open};
use redmask_metrics::Roc;
use redmask_nn::network::{NetworkConfig, UnetConfig};
use redmask_nn::predictor::NetworkPredictor;
use redmask_train::optim::OptimizerConfig;
use redmask_train::{ClassifierTrainConfig, TrainConfig, TrainRun, train_segmentation};

/// Members of the model, and as many non-members.
const MEMBERS: usize = 120;

const FORMS: [OutputForm; 3] = [
    OutputForm::Margins,
    OutputForm::Probabilities,
    OutputForm::Raw,
];

type Attack = fn(ClassifierAttackConfig, Device, PathBuf) -> Result<ClassifierAttack>;

const ATTACKS: [(&str, Attack); 2] = [
    ("type-i", ClassifierAttack::type_i),
    ("type-ii", ClassifierAttack::type_ii),
];

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let mut number = |name: &str, default: usize| match words.next() {
        None => Ok(default),
        Some(word) => word
            .parse()
            .map_err(|_| Error::config(name, format!("`{word}` is not a whole number"))),
    };
    let (seeds, side, folds) = (
        number("SEEDS", 3)?,
        number("SIDE", 64)?,
        number("FOLDS", 3)?,
    );
    println!(
        "{:8} {:14} AUC over {folds} folds, seed by seed, and the mean",
        "attack", "form"
    );
    let mut rows = vec![Vec::new(); ATTACKS.len() * FORMS.len()];
    for seed in 0..seeds {
        let shadow = ShadowModel::train(seed as u64, side)?;
        for (row, (attack, form)) in combinations().enumerate() {
            rows[row].push(shadow.cross_validate(attack.1, form, folds)?);
            eprintln!("seed {seed} {} {form:?}: {:.3}", attack.0, rows[row][seed]);
        }
    }
    for (row, (attack, form)) in combinations().enumerate() {
        let each: Vec<String> = rows[row].iter().map(|auc| format!("{auc:.3}")).collect();
        let mean = rows[row].iter().sum::<f64>() / seeds as f64;
        let form = format!("{form:?}").to_lowercase();
        println!(
            "{:8} {form:14} {}  mean {mean:.3}",
            attack.0,
            each.join(" ")
        );
    }
    Ok(())
}

fn combinations() -> impl Iterator<Item = ((&'static str, Attack), OutputForm)> {
    ATTACKS
        .into_iter()
        .flat_map(|attack| FORMS.into_iter().map(move |form| (attack, form)))
}

struct ShadowModel {
    data: Arc<dyn SegDataset>,
    model: NetworkPredictor,
    seed: Seed,
}

impl ShadowModel {
    /// Trains on the first half of the scenes, as the `quickstart` recipe does.
    fn train(seed: u64, side: usize) -> Result<Self> {
        let session = Session::default();
        let spec = format!("polyp:{seed}?count={}", 2 * MEMBERS);
        let options = OpenOptions {
            size: Some((side, side)),
            ..OpenOptions::default()
        };
        let scenes = open(&spec.parse()?, &options)?;
        let data: Arc<dyn SegDataset> = Arc::new(CachedDataset::load(&*scenes, &session)?);
        let members = Subset::new(Arc::clone(&data), (0..MEMBERS).collect())?;
        let architecture = NetworkConfig::Unet(UnetConfig {
            width: 0.5,
            ..UnetConfig::default()
        })
        .for_data(2, 3);
        let config = TrainConfig {
            epochs: 30,
            optimizer: OptimizerConfig::nadam(5e-4),
            validate_every: 0,
            ..TrainConfig::default()
        };
        let folder = temporary()?;
        let seed = Seed::root(seed);
        let run = TrainRun::new(seed, folder.path(), &session);
        let device = Device::flex();
        let network = architecture.init(seed.child("weights"), &device.clone().autodiff())?;
        let trained = train_segmentation(&architecture, network, &members, None, &config, &run)?;
        let model = NetworkPredictor::new(architecture, &trained.network, config.scaling, device);
        Ok(Self { data, model, seed })
    }

    /// The mean over the folds of the AUC on the fold.
    fn cross_validate(&self, attack: Attack, form: OutputForm, folds: usize) -> Result<f64> {
        let mut sum = 0.0;
        for fold in 0..folds {
            let side = |first: usize, inside: bool| {
                let indices = (0..MEMBERS)
                    .filter(|i| (i % folds == fold) == inside)
                    .map(|i| first + i);
                Subset::new(Arc::clone(&self.data), indices.collect())
            };
            let (known, known_others) = (side(0, false)?, side(MEMBERS, false)?);
            let (judged, judged_others) = (side(0, true)?, side(MEMBERS, true)?);
            let predictor: &dyn Predictor = &self.model;
            let input = MembershipInput {
                shadows: vec![Shadow {
                    predictor,
                    members: &known,
                    non_members: &known_others,
                    last_epoch_losses: &[],
                }],
                targets: vec![Target {
                    role: TargetRole::Victim,
                    predictor,
                    members: &judged,
                    non_members: &judged_others,
                }],
                knowledge: [Knowledge::GroundTruth, Knowledge::ShadowData].into(),
                batch: 8,
                seed: self.seed.child("fold").index(fold as u64),
            };
            let folder = temporary()?;
            let outcomes = attack(
                configuration(form),
                Device::flex(),
                folder.path().to_owned(),
            )?
            .run(&input, &Session::default())?;
            let roc = Roc::new(
                &outcomes[0].member_scores(),
                &outcomes[0].non_member_scores(),
            )
            .map_err(|e| Error::numeric("the ROC of a fold", e.to_string()))?;
            sum += roc.auc() / folds as f64;
        }
        Ok(sum)
    }
}

fn configuration(form: OutputForm) -> ClassifierAttackConfig {
    ClassifierAttackConfig {
        output: Some(form),
        training: Some(ClassifierTrainConfig {
            epochs: 20,
            ..ClassifierAttackConfig::default().training()
        }),
        ..ClassifierAttackConfig::default()
    }
}

fn temporary() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|e| Error::io("the temporary folder", "creating", e))
}
