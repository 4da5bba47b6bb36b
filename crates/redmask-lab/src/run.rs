//! A whole run: claim the folder, plan, execute, write the results.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use redmask_core::{Error, FingerprintBuilder, Result, Session};
use redmask_data::Location;
use redmask_report::Report;
use redmask_report::gate::{Gate, GateOutcome};
use redmask_report::html::Options;
use redmask_report::schema::ReportData;

use crate::bind::BoundData;
use crate::executor::execute;
use crate::out::{OutDir, RunIdentity};
use crate::plan::{Plan, plan};
use crate::provenance::{RunFacts, provenance};
use crate::recipe::Recipe;
use crate::records::Records;
use crate::results::{RECORDS, Setting, panels, pictures, sheets};
use crate::stages::{REPORT_DATA, RESULTS, Workshop};
use crate::store::{StageKind, Store, find, has_partial};
use crate::weights::InitialWeights;

/// A recipe on its data, with everything decided.
#[derive(Debug)]
pub struct Experiment {
    /// The resolved recipe.
    pub recipe: Recipe,
    /// The profile's name.
    pub profile: String,
    /// The data.
    pub data: BoundData,
    /// Weights that networks start from, by name.
    pub weights: BTreeMap<String, InitialWeights>,
    /// The root seeds.
    pub seeds: Vec<u64>,
    /// Put pictures of training records into the report data.
    pub show_members: bool,
}

/// Where a run writes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The output folder.
    pub out: PathBuf,
    /// The stage store; `OUT/store` by default.
    pub store: Option<PathBuf>,
    /// Write into a folder that holds another run.
    pub force: bool,
}

/// What a run found.
#[derive(Debug)]
pub struct RunOutcome {
    /// Numbers, provenance and drawings.
    pub report: Report,
    /// The recipe's gates.
    pub gates: Vec<GateOutcome>,
}

impl Experiment {
    /// The stages it takes.
    ///
    /// # Errors
    /// If the data set is too small for the recipe.
    pub fn plan(&self) -> Result<Plan> {
        plan(&self.recipe, &self.data, &self.weights, &self.seeds)
    }

    /// What makes two runs the same run.
    ///
    /// # Errors
    /// If the recipe cannot be serialised (a bug of ours).
    pub fn identity(&self) -> Result<RunIdentity> {
        let mut builder = FingerprintBuilder::new();
        builder.part("recipe", self.recipe.fingerprint()?.to_hex().as_bytes());
        builder.part("profile", self.profile.as_bytes());
        builder.part("data", self.data.dataset.fingerprint().to_hex().as_bytes());
        builder.part("name", self.data.name().as_bytes());
        for (network, weights) in &self.weights {
            builder.part(network, weights.hash.to_hex().as_bytes());
        }
        Ok(RunIdentity {
            recipe: self.recipe.name.clone(),
            resolved: builder.finish(),
            seeds: self.seeds.clone(),
        })
    }
}

impl Destination {
    /// The folder of the stage store.
    pub fn store_root(&self) -> PathBuf {
        self.store.clone().unwrap_or_else(|| self.out.join("store"))
    }
}

/// Runs an experiment and writes `results.json`, `provenance.json`, `report-data.json`, `report.html` and
/// `tables/*.csv`. Everything that can be wrong with the input is found before the folder is touched.
///
/// # Errors
/// If the input cannot be used, the folder is not free, or a stage fails. A run that fails before anything of worth was
/// made leaves no trace; a later one can be resumed.
pub fn run(
    experiment: &Experiment,
    destination: &Destination,
    command: &[String],
    session: &Session,
) -> Result<RunOutcome> {
    let started = SystemTime::now();
    for gate in &experiment.recipe.fail_if {
        gate.parse::<Gate>()?;
    }
    let plan = experiment.plan()?;
    let out = OutDir::claim(&destination.out, &experiment.identity()?, destination.force)?;
    let finished = run_in(
        experiment,
        destination,
        command,
        session,
        &plan,
        &out,
        started,
    );
    if finished.is_err() && !worth_keeping(&plan, destination) {
        out.abandon();
    }
    finished
}

fn run_in(
    experiment: &Experiment,
    destination: &Destination,
    command: &[String],
    session: &Session,
    plan: &Plan,
    out: &OutDir,
    started: SystemTime,
) -> Result<RunOutcome> {
    let resolved = toml::to_string_pretty(&experiment.recipe)
        .map_err(|e| Error::Internal(format!("recipe {}: {e}", experiment.recipe.name)))?;
    out.write("recipe.toml", resolved.as_bytes())?;
    let store = Store::open(&destination.store_root())?;
    let setting = Setting::new(
        &experiment.recipe,
        &experiment.profile,
        &experiment.data,
        &experiment.weights,
    );
    let records = Records::new(experiment.data.dataset.clone(), plan.records());
    let workshop = Workshop {
        plan,
        store: &store,
        records: &records,
        setting: &setting,
        session,
    };
    let stages = execute(&workshop)?;
    let last = plan
        .last()
        .ok_or_else(|| Error::Internal("a plan without stages".into()))?;
    let tabulated = store
        .find(last.key)?
        .ok_or_else(|| Error::Internal("the results are not in the store".into()))?;
    let provenance = provenance(&RunFacts {
        command,
        recipe: &experiment.recipe,
        profile: &experiment.profile,
        data: &experiment.data,
        weights: &experiment.weights,
        plan,
        stages: &stages,
        started,
        threads: rayon::current_num_threads(),
    });
    if tabulated.has(RECORDS) {
        out.write(RECORDS, &tabulated.read(RECORDS)?)?;
    }
    let mut data: ReportData = tabulated.read_json(REPORT_DATA)?;
    if experiment.show_members {
        pictures::add(&workshop, &mut data)?;
    }
    let procedural = matches!(experiment.data.spec.location, Location::Seed(_));
    if experiment.show_members || procedural {
        panels::add(&workshop, &mut data, procedural)?;
        sheets::add(&workshop, &mut data, !procedural)?;
    }
    let report = Report::new(tabulated.read_json(RESULTS)?, provenance, data)?;
    report.write(out.path())?;
    let options = Options {
        show_members: experiment.show_members,
    };
    let gates = report.draw(out.path(), options)?;
    Ok(RunOutcome { report, gates })
}

/// Whether the store holds a stage of this plan that cost something, finished or begun.
fn worth_keeping(plan: &Plan, destination: &Destination) -> bool {
    let root = destination.store_root();
    plan.stages
        .iter()
        .filter(|stage| stage.key.kind != StageKind::Split)
        .any(|stage| matches!(find(&root, stage.key), Ok(Some(_))) || has_partial(&root, stage.key))
}
