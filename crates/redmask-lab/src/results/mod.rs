//! From finished stages to measurements, tables and figures.

mod backdoor;
mod cost;
mod curves;
mod exposed;
pub(crate) mod figures;
mod labels;
mod membership;
mod outcomes;
mod overview;
pub(crate) mod panels;
pub(crate) mod pictures;
mod pool;
mod privacy;
mod published;
mod seeds;
pub(crate) mod sheets;
pub(crate) mod statements;
mod tables;
mod tradeoff;
pub(crate) mod utility;

use std::collections::{BTreeMap, BTreeSet};

use redmask_core::{Result, SegDataset};
use redmask_nn::ops::Precision;
use redmask_report::schema::{
    Block, Condition, Conditions, Measurement, ReportData, Results, Section, Warning,
};

use crate::bind::BoundData;
use crate::plan::{Cell, ModelUse, Plan};
use crate::recipe::Recipe;
use crate::weights::InitialWeights;

pub use outcomes::{AttackPair, Outcomes};
pub(crate) use outcomes::{BACKDOOR, BLIND, OUTCOMES, QUALITY};
pub(crate) use pool::RECORDS;

/// What stays the same over all measurements of a run.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// The resolved recipe.
    pub recipe: &'a Recipe,
    /// The profile that ran.
    pub profile: &'a str,
    /// The condition `data`.
    pub data_name: String,
    /// What the recipe was written for, where something else stands in for it.
    pub substituted: Option<String>,
    /// Whether some network started from random weights.
    pub from_scratch: bool,
    /// Height and width of every record.
    pub size: [usize; 2],
}

impl<'a> Setting<'a> {
    /// The setting of a recipe on its data.
    pub fn new(
        recipe: &'a Recipe,
        profile: &'a str,
        data: &BoundData,
        weights: &BTreeMap<String, InitialWeights>,
    ) -> Self {
        Self {
            recipe,
            profile,
            data_name: data.name(),
            substituted: data.substituted.then(|| data.expected.clone()),
            from_scratch: recipe
                .network
                .keys()
                .any(|name| !weights.contains_key(name)),
            size: data.size,
        }
    }
}

/// Measurements and warnings on their way into a result.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) warnings: Vec<Warning>,
}

/// What `tabulate` makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Tabulated {
    /// For `results.json`.
    pub results: Results,
    /// For `report-data.json`.
    pub report: ReportData,
    /// For `records.csv`, of pools.
    pub records: Option<String>,
}

/// Measures everything that the stages of a plan left, and lays it out. Identifiers of records come from `dataset`.
///
/// # Errors
/// If an outcome is missing or damaged, or the recipe's published numbers are ambiguous.
pub fn tabulate(
    setting: &Setting<'_>,
    outcomes: &Outcomes<'_>,
    dataset: &dyn SegDataset,
) -> Result<Tabulated> {
    let plan = outcomes.plan;
    let mut findings = Findings::default();
    let mut pairs = Vec::with_capacity(plan.cells.len());
    for cell in &plan.cells {
        let of_seeds = cell
            .outcomes
            .iter()
            .map(|&at| outcomes.attack(at))
            .collect::<Result<Vec<_>>>()?;
        membership::measure(setting, plan, cell, &of_seeds, &mut findings)?;
        pairs.push(of_seeds);
    }
    let mut qualities = Vec::with_capacity(plan.qualities.len());
    for cell in &plan.qualities {
        let of_seeds = cell
            .stages
            .iter()
            .map(|&at| outcomes.quality(at))
            .collect::<Result<Vec<_>>>()?;
        utility::measure(setting, cell, &of_seeds, &mut findings)?;
        qualities.push(of_seeds);
    }
    for cell in &plan.blinds {
        let of_seeds = cell
            .stages
            .iter()
            .map(|&at| outcomes.blind(at))
            .collect::<Result<Vec<_>>>()?;
        utility::measure_blind(setting, cell, &of_seeds, &mut findings);
    }
    for cell in &plan.backdoors {
        let of_seeds = cell
            .stages
            .iter()
            .map(|&at| outcomes.backdoor(at))
            .collect::<Result<Vec<_>>>()?;
        backdoor::measure(setting, plan, cell, &of_seeds, &mut findings)?;
    }
    if plan.blinds.is_empty() && !plan.cells.is_empty() {
        findings.warnings.push(Warning::new(
            "control-not-measured",
            "No blind control was run: members and non-members may differ by themselves.",
        ));
    }
    let pools = plan
        .pool_cells
        .iter()
        .map(|cell| {
            let of_targets = pool::PoolOutcomes::read(outcomes, cell)?;
            pool::measure(setting, cell, &of_targets, &mut findings)?;
            Ok(of_targets)
        })
        .collect::<Result<Vec<_>>>()?;
    let gaps = pool::gaps(setting, outcomes, &mut findings)?;
    pool::warn(setting, plan, &mut findings);
    cost::measure(setting, outcomes, &mut findings)?;
    privacy::measure(setting, outcomes, &pairs, &mut findings)?;
    let measured = overview::Measured {
        setting,
        plan,
        pairs: &pairs,
        qualities: &qualities,
    };
    overview::measure(&measured, &mut findings)?;
    warn_of_setting(setting, plan, &mut findings);
    published::attach(&setting.recipe.published, &mut findings.measurements)?;
    let results = Results::new(findings.measurements, findings.warnings)?;

    let context = Context {
        setting,
        outcomes,
        results: &results,
        pairs: &pairs,
        qualities: &qualities,
        pools: &pools,
    };
    let recipe = setting.recipe;
    let report = ReportData {
        subtitle: recipe.about.trim().replace('\n', " "),
        labels: recipe.labels.clone(),
        gates: recipe.fail_if.clone(),
        attacks: statements::attacks(setting, &pairs, &pools),
        sections: sections(&context)?,
        ..ReportData::new(&recipe.title, &recipe.name, setting.profile)
    };
    report.check(&results)?;
    let records = pool::records_csv(setting, plan, dataset, &gaps, &pools);
    Ok(Tabulated {
        results,
        report,
        records,
    })
}

/// Everything that tables and figures are made of.
pub(crate) struct Context<'a> {
    setting: &'a Setting<'a>,
    outcomes: &'a Outcomes<'a>,
    results: &'a Results,
    /// By cell, by seed.
    pairs: &'a [Vec<AttackPair>],
    /// By quality cell, by seed.
    qualities: &'a [Vec<crate::quality::Quality>],
    /// By pool cell.
    pools: &'a [pool::PoolOutcomes],
}

fn sections(context: &Context<'_>) -> Result<Vec<Section>> {
    let section = |id: &str, title: &str, lead: &str, blocks: Vec<Block>| Section {
        id: id.to_owned(),
        title: title.to_owned(),
        lead: lead.to_owned(),
        blocks,
    };
    let recipe = context.setting.recipe;
    let mut paper: Vec<Block> = recipe
        .table
        .iter()
        .map(|config| Block::Table(tables::of_recipe(context, config)))
        .collect();
    for config in &recipe.figure {
        paper.extend(figures::of_recipe(context, config).map(Block::Figure));
    }
    if let Some(config) = &recipe.overview {
        paper.push(Block::Table(overview::table(context, config)));
    }
    let mut sections = Vec::new();
    if !paper.is_empty() {
        sections.push(section(
            "reproduced",
            if recipe.published.is_empty() {
                "Results"
            } else {
                "Measured beside published"
            },
            "",
            paper,
        ));
    }
    if !context.outcomes.plan.backdoors.is_empty() {
        sections.push(section(
            "backdoors",
            "Backdoors",
            "Success of each planted backdoor on held-out images, beside its controls: the clean twin under the same trigger, the \
             poisoned model without it and under a wrong trigger of the same size. No success means much without them.",
            backdoor::blocks(context),
        ));
    }
    if !context.pools.is_empty() {
        sections.extend(pool::sections(context));
    }
    if !context.pairs.is_empty() {
        sections.push(section(
        "attacks",
        "Attacks",
        "Every attack on every victim, with the smallest false positive rates that the records allow.",
        vec![
            Block::Table(tables::attacks(context)),
            Block::Figure(figures::roc(context)),
        ],
    ));
        sections.push(section(
        "controls",
        "Controls",
        "Both must be at chance. A blind control above it: the records differ by themselves. A null victim above it: the \
         attack measures something other than membership.",
        vec![Block::Table(tables::controls(context))],
    ));
    }
    // A recipe of backdoors alone measures its models in their own section.
    if !context.qualities.is_empty() {
        sections.push(section(
            "models",
            "Models",
            "How well the audited models segment what they trained on, and what they did not see.",
            vec![
                Block::Table(tables::utility(context)),
                Block::Figure(figures::losses(context)),
                Block::Figure(curves::learning(context)?),
            ],
        ));
    }
    if let Some(table) = overview::statements(context) {
        sections.push(section(
            "defence-needs",
            "Defences",
            "",
            vec![Block::Table(table)],
        ));
    }
    if let Some(table) = privacy::table(context) {
        sections.push(section(
            "privacy",
            "Differential privacy",
            "What is promised, and what the attacks of this run refute.",
            vec![Block::Table(table)],
        ));
    }
    let exposed = (!context.pairs.is_empty()).then(|| exposed::most_exposed(context));
    if let Some(records) = exposed.flatten() {
        sections.push(section(
            "exposed",
            "Most exposed records",
            "Training records that every attack tells from the records the model did not see.",
            vec![Block::Exposed(records)],
        ));
    }
    Ok(sections)
}

fn warn_of_setting(setting: &Setting<'_>, plan: &Plan, findings: &mut Findings) {
    let mut warn =
        |code: &str, message: String| findings.warnings.push(Warning::new(code, message));
    if let Some(expected) = &setting.substituted {
        warn(
            "data-substituted",
            format!(
                "The recipe was written for {expected}; it ran on {}.",
                setting.data_name
            ),
        );
    }
    if let Some(weights) = &setting.recipe.published_weights
        && setting.from_scratch
    {
        warn(
            "no-pretrained-weights",
            format!(
                "The published models started from {weights} weights; these started from random ones."
            ),
        );
    }
    if setting.recipe.training.precision == Precision::Bf16 {
        warn(
            "bf16-training",
            "The models were trained with convolutions in bfloat16; published ones and the default are f32.".to_owned(),
        );
    }
    if !setting.recipe.published.is_empty() && setting.profile != "paper" {
        warn(
            "not-published-scale",
            format!(
                "This is the profile {}, smaller than the published setting; numbers stand beside published ones for orientation.",
                setting.profile
            ),
        );
    }
    let seeds = plan.seeds.len();
    if seeds < 3 && !plan.cells.is_empty() {
        warn(
            "few-seeds",
            format!(
                "{seeds} training seed(s): how much a retraining would move the numbers is not known."
            ),
        );
    }
}

/// The value of the condition `defence` where there is none.
pub(crate) const UNDEFENDED: &str = "none";
/// The value of the condition `adversary` for shadows that are trained without the victim's defence, as published.
pub(crate) const STATIC: &str = "static";
/// The value of the condition `adversary` for shadows that have the victim's defence.
pub(crate) const ADAPTIVE: &str = "adaptive";

/// Conditions of a victim's own measurements.
pub(crate) fn conditions_of_victim(setting: &Setting<'_>, victim: &ModelUse) -> Conditions {
    let mut conditions = Conditions::new();
    let mut set = |name: &str, value: Condition| _ = conditions.insert(name.to_owned(), value);
    set("data", setting.data_name.clone().into());
    set("victim", victim.model.network.clone().into());
    set("train_records", victim.train_records.into());
    set("epochs", victim.epoch.into());
    if !setting.recipe.defence.is_empty() {
        let name = victim.defence.as_ref().map_or(UNDEFENDED, |d| &d.name);
        set("defence", name.into());
    }
    if let (Some(name), Some(poison)) = (
        &victim.model.poison,
        setting.recipe.poison_of(&victim.model),
    ) {
        set("poison", name.clone().into());
        let mut known = |key: &str, value: Option<Condition>| {
            if let Some(value) = value {
                set(key, value);
            }
        };
        known("preset", poison.preset.clone().map(Into::into));
        known("rate", poison.rate.map(Into::into));
        known("trigger_size", poison.trigger_size.map(Into::into));
        known(
            "trigger_value",
            poison.trigger_value.map(|v| usize::from(v).into()),
        );
    }
    conditions
}

/// Conditions of an attack's measurements. What the shadow shares with the victim is not repeated.
pub(crate) fn conditions_of(setting: &Setting<'_>, cell: &Cell, attack: &str) -> Conditions {
    let mut conditions = conditions_of_victim(setting, &cell.victim);
    let mut set = |name: &str, value: Condition| _ = conditions.insert(name.to_owned(), value);
    set("shadow", cell.shadow.model.network.clone().into());
    set("attack", attack.into());
    if cell.victim.defence.is_some() {
        let adversary = if cell.victim.defence == cell.shadow.defence {
            ADAPTIVE
        } else {
            STATIC
        };
        set("adversary", adversary.into());
    }
    if cell.shadow.epoch != cell.victim.epoch {
        set("shadow_epochs", cell.shadow.epoch.into());
    }
    if cell.shadow.train_records != cell.victim.train_records {
        set("shadow_train_records", cell.shadow.train_records.into());
    }
    if setting.recipe.split.shadows > 1 {
        set("shadows", setting.recipe.split.shadows.into());
    }
    if setting
        .recipe
        .attack
        .get(&cell.attack)
        .is_some_and(crate::recipe::AttackConfig::paper_compat)
    {
        set("paper_compat", true.into());
    }
    conditions
}

impl Context<'_> {
    fn attack_count(&self) -> usize {
        let attacks = self
            .pairs
            .iter()
            .flatten()
            .map(|p| p.victim.attack.as_str());
        attacks.collect::<BTreeSet<_>>().len()
    }
}
