//! A whole audit: open everything, claim the folder, ask, attack, measure, write.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::SystemTime;

use redmask_attacks::controls::{BlindConfig, blind, descriptors};
use redmask_attacks::membership::{MembershipInput, Target, TargetRole};
use redmask_core::{
    Capability, Error, FingerprintBuilder, Result, Seed, SegDataset, Session, ThreatModel,
};
use redmask_report::Report;
use redmask_report::gate::Gate;
use redmask_report::html::Options;
use redmask_report::schema::{
    Condition, Conditions, DataBinding, Provenance, ReportData, Results, Warning, WeightsOrigin,
};

use super::attacks::{Evidence, NEVER, PLAYS, Played, Reference};
use super::layout::{self, Parts};
use super::measure::Statistics;
use super::model::OpenModel;
use super::observe::{Observation, Observer, Questions};
use super::sets::{Opened, RecordSet};
use super::source::ModelSource;
use super::{grains, records, utility};
use crate::out::{OutDir, RunIdentity};
use crate::provenance::{StageLog, base_provenance};
use crate::results::{Findings, pictures};
use crate::run::{Destination, RunOutcome};
use crate::store::Store;

/// An audit with everything decided.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The audited model.
    pub model: ModelSource,
    /// Records it was trained on.
    pub members: RecordSet,
    /// Records of the same distribution that it did not see.
    pub non_members: RecordSet,
    /// Further records that it did not see, for thresholds and for attacks that compare with them.
    pub population: Option<RecordSet>,
    /// Models that saw none of the records.
    pub references: Vec<ModelSource>,
    /// A model that saw neither set, as a control; may be a reference too.
    pub null: Option<ModelSource>,
    /// Bring every record to this size (height, width).
    pub size: Option<(usize, usize)>,
    /// Ask about mirrored and shifted images too, where the model can be asked.
    pub views: bool,
    /// Gates, such as `membership.*.auc.low > 0.6`.
    pub fail_if: Vec<String>,
    /// Bootstrap replicates of an interval.
    pub replicates: u32,
    /// The root seed of resamples and folds.
    pub seed: u64,
    /// Put pictures of training records into the report.
    pub show_members: bool,
}

/// The data and models of an audit, open.
struct Scene {
    members: Opened,
    non_members: Opened,
    population: Option<Opened>,
    model: OpenModel,
    references: Vec<OpenModel>,
    null: Option<OpenModel>,
    warnings: Vec<String>,
    /// Whether every model has answered for every record, which is what an audit costs.
    answered: Cell<bool>,
}

/// Runs an audit and writes `results.json`, `provenance.json`, `report-data.json`, `report.html`, `records.csv` and
/// `tables/*.csv`. What can be found wrong without asking a model is found before the folder is touched.
///
/// # Errors
/// If an input cannot be used, the folder is not free, a model fails on a record, or a gate matches nothing. Bad input leaves
/// nothing behind; an interrupted audit goes on where it stopped, and so does one whose gate is corrected.
pub fn audit(
    audit: &Audit,
    destination: &Destination,
    command: &[String],
    session: &Session,
) -> Result<RunOutcome> {
    let started = SystemTime::now();
    for gate in &audit.fail_if {
        gate.parse::<Gate>()?;
    }
    let scene = Scene::open(audit)?;
    let out = OutDir::claim(&destination.out, &scene.identity(audit)?, destination.force)?;
    let finished = scene.run(audit, destination, command, session, &out, started);
    if finished.as_ref().is_err_and(leaves_nothing) && !scene.answered.get() {
        out.abandon();
    }
    finished
}

/// Bad input is not worth keeping what was made of it; a full disk or an interrupt is.
fn leaves_nothing(error: &Error) -> bool {
    !matches!(
        error,
        Error::Interrupted | Error::Io { .. } | Error::Internal(_)
    )
}

/// An attack by name, and why it cannot be run.
type Refused = (String, String);

impl Scene {
    fn open(audit: &Audit) -> Result<Self> {
        let members = Opened::new(&audit.members, audit.size)?;
        let non_members = Opened::new(&audit.non_members, audit.size)?;
        let population = audit
            .population
            .as_ref()
            .map(|set| Opened::new(set, audit.size))
            .transpose()?;
        let table = members.records.class_table();
        for other in population.iter().chain([&non_members]) {
            let names = |data: &dyn SegDataset| -> Vec<String> {
                let classes = data.class_table().classes().iter();
                classes.map(|c| c.name.clone()).collect()
            };
            if names(other.records.as_ref()) != names(members.records.as_ref()) {
                return Err(Error::config(
                    format!("data {}", other.set),
                    format!(
                        "its classes are not those of {}, which has {}",
                        audit.members,
                        table.len()
                    ),
                ));
            }
        }
        let open = |source: &ModelSource| {
            let model = OpenModel::open(source, members.records.as_ref())?;
            // Saved predictions must be there for every record before anything is written.
            for set in population.iter().chain([&members, &non_members]) {
                model.saved_answers(set.records.as_ref())?;
            }
            Ok(model)
        };
        let model = open(&audit.model)?;
        let references = audit
            .references
            .iter()
            .map(open)
            .collect::<Result<Vec<_>>>()?;
        let null = audit.null.as_ref().map(open).transpose()?;
        for (what, other) in references
            .iter()
            .map(|m| ("reference", m))
            .chain(null.iter().map(|m| ("null", m)))
        {
            if other.fingerprint == model.fingerprint && other.source.path == model.source.path {
                return Err(Error::config(
                    format!("{what} model {}", other.source),
                    "this is the audited model itself",
                ));
            }
        }
        let mut warnings = check_sides(&model, &members, &non_members)?;
        if let Some(population) = &population {
            check_sides(&model, &members, population)?;
            warnings.extend((population.records.len() < 20).then(|| {
                format!(
                    "the population has {} records: its thresholds are coarse",
                    population.records.len()
                )
            }));
        }
        Ok(Self {
            members,
            non_members,
            population,
            model,
            references,
            null,
            warnings,
            answered: Cell::new(false),
        })
    }

    fn models(&self) -> impl Iterator<Item = (&'static str, &OpenModel)> {
        std::iter::once(("audited", &self.model))
            .chain(self.references.iter().map(|m| ("reference", m)))
            .chain(self.null.iter().map(|m| ("null", m)))
    }

    fn sets(&self) -> impl Iterator<Item = (&'static str, &Opened)> {
        [
            ("members", &self.members),
            ("non-members", &self.non_members),
        ]
        .into_iter()
        .chain(self.population.iter().map(|p| ("population", p)))
    }

    fn identity(&self, audit: &Audit) -> Result<RunIdentity> {
        let mut builder = FingerprintBuilder::new();
        for (role, model) in self.models() {
            builder.part(role, model.fingerprint.to_hex().as_bytes());
            for (_, set) in self.sets() {
                let answers = model.saved_answers(set.records.as_ref())?;
                builder.part("answers", answers.to_hex().as_bytes());
            }
        }
        for (role, set) in self.sets() {
            builder.part(role, set.records.fingerprint().to_hex().as_bytes());
        }
        builder.part("views", &[u8::from(audit.views)]);
        builder.part("replicates", &audit.replicates.to_le_bytes());
        builder.part("gates", audit.fail_if.join("\n").as_bytes());
        Ok(RunIdentity {
            recipe: "audit".to_owned(),
            resolved: builder.finish(),
            seeds: vec![audit.seed],
        })
    }

    fn run(
        &self,
        audit: &Audit,
        destination: &Destination,
        command: &[String],
        session: &Session,
        out: &OutDir,
        started: SystemTime,
    ) -> Result<RunOutcome> {
        let store = Store::open(&destination.store_root())?;
        let mut observer = Observer {
            store: &store,
            session,
            logs: Vec::new(),
        };
        let seen = self.observe(audit, &mut observer)?;
        self.answered.set(true);
        let logs = observer.logs;
        let (results, mut data, csv) = self.tabulate(audit, &seen, session)?;
        // A gate that cannot be judged is found before anything is written; what the models answered is kept.
        Gate::judge_all(&audit.fail_if, &results)?;
        if audit.show_members {
            let members = self.members.records.as_ref();
            pictures::add_all(self.model.predictor(), members, &mut data, session)?;
        }
        let provenance = self.provenance(audit, command, &logs, started);
        let report = Report::new(results, provenance, data)?;
        out.write("records.csv", csv.as_bytes())?;
        report.write(out.path())?;
        let options = Options {
            show_members: audit.show_members,
        };
        let gates = report.draw(out.path(), options)?;
        Ok(RunOutcome { report, gates })
    }

    fn observe(&self, audit: &Audit, observer: &mut Observer<'_>) -> Result<Seen> {
        let everything = Questions {
            views: audit.views,
            gradients: true,
        };
        // References are compared with by loss and margin of the plain record alone.
        let plain = Questions {
            views: false,
            gradients: false,
        };
        let mut sides = |model: &OpenModel,
                         questions: Questions,
                         label: &str|
         -> Result<[Vec<Observation>; 2]> {
            let mut ask = |set: &Opened, side: &str| {
                observer.observe(
                    model,
                    &set.records,
                    questions,
                    &format!("{label} on {side}"),
                )
            };
            Ok([
                ask(&self.members, "members")?,
                ask(&self.non_members, "non-members")?,
            ])
        };
        let target = sides(&self.model, everything, "model")?;
        let null = match &self.null {
            Some(null) => Some(sides(null, everything, "null model")?),
            None => None,
        };
        let mut references = Vec::with_capacity(self.references.len());
        for (i, model) in self.references.iter().enumerate() {
            references.push(Reference {
                target: sides(model, plain, &format!("reference {}", i + 1))?,
                population: None,
            });
        }
        let mut population = None;
        let mut null_population = None;
        if let Some(set) = &self.population {
            let mut ask = |model: &OpenModel, questions, label: &str| {
                observer.observe(
                    model,
                    &set.records,
                    questions,
                    &format!("{label} on population"),
                )
            };
            population = Some(ask(&self.model, everything, "model")?);
            if let Some(null) = &self.null {
                null_population = Some(ask(null, everything, "null model")?);
            }
            for (i, (model, reference)) in self.references.iter().zip(&mut references).enumerate() {
                reference.population = Some(ask(model, plain, &format!("reference {}", i + 1))?);
            }
        }
        Ok(Seen {
            target,
            population,
            references,
            null,
            null_population,
        })
    }

    fn tabulate(
        &self,
        audit: &Audit,
        seen: &Seen,
        session: &Session,
    ) -> Result<(Results, ReportData, String)> {
        let mut sets: Vec<&dyn SegDataset> = vec![
            self.members.records.as_ref(),
            self.non_members.records.as_ref(),
        ];
        if let Some(population) = &self.population {
            sets.push(population.records.as_ref());
        }
        let described = descriptors(&sets, session)?;
        let evidence = Evidence {
            target: [&seen.target[0], &seen.target[1]],
            population: seen.population.as_deref(),
            references: &seen.references,
            descriptors: Some(&described),
        };
        let statistics = Statistics {
            conditions: self.conditions(),
            replicates: audit.replicates,
            seed: Seed::root(audit.seed).child("audit"),
        };
        let mut findings = Findings::default();
        let (played, mut refused) = self.play(&self.model, TargetRole::Victim, &evidence)?;
        statistics.attacks(&played, &mut findings)?;
        statistics.ceiling(seen.target[0].len(), seen.target[1].len(), &mut findings)?;
        let null = self.control(seen, &evidence)?;
        if null.is_empty() {
            findings.warnings.push(
                Warning::new(
                    "control-not-measured",
                    "The null victim was not measured: without a model that saw neither set (--null-model, --null-predictions), the \
                     attacks' numbers may be a property of the records.",
                )
                .about("membership.*"),
            );
        } else {
            statistics.null_victim(&null, &mut findings)?;
        }
        self.blind(&statistics, session, &mut findings)?;
        utility::measure_utility(&statistics, evidence.target, &mut findings)?;
        utility::check_collapse(
            &self.model,
            evidence.target[0],
            &self.members.records,
            session,
            &mut findings,
        )?;
        grains::measure(
            &statistics,
            &played,
            &evidence,
            self.model.capability(),
            self.members.records.class_table(),
            &mut findings,
        )?;
        self.warn(&refused, &mut findings);
        refused.extend(NEVER.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
        let results = Results::new(findings.measurements, findings.warnings)?;
        let notes: Vec<String> = self
            .models()
            .flat_map(|(role, model)| {
                model
                    .notes
                    .iter()
                    .map(move |note| format!("{role} model: {note}"))
            })
            .collect();
        let title = format!("Audit of {}", self.model.source.name());
        let data = layout::report(&Parts {
            results: &results,
            played: &played,
            null: &null,
            refused: &refused,
            target: evidence.target,
            notes: &notes,
            title: &title,
            subtitle: &self.subtitle(),
            gates: &audit.fail_if,
        })?;
        data.check(&results)?;
        let csv = records::csv(evidence.target, &played);
        Ok((results, data, csv))
    }

    /// The attacks that can be run on a model, and why the others cannot.
    fn play(
        &self,
        model: &OpenModel,
        role: TargetRole,
        evidence: &Evidence<'_>,
    ) -> Result<(Vec<Played>, Vec<Refused>)> {
        let target = Target {
            role,
            predictor: model.predictor(),
            members: self.members.records.as_ref(),
            non_members: self.non_members.records.as_ref(),
        };
        let (mut played, mut refused) = (Vec::new(), Vec::new());
        for play in PLAYS {
            match play.refusal(model.capability(), evidence) {
                None => played.push(play.run(&target, evidence)?),
                Some(reason) => refused.push((play.name(), reason)),
            }
        }
        Ok((played, refused))
    }

    /// The attacks on the null model.
    fn control(&self, seen: &Seen, evidence: &Evidence<'_>) -> Result<Vec<Played>> {
        let (Some(model), Some(target)) = (&self.null, &seen.null) else {
            return Ok(Vec::new());
        };
        let evidence = Evidence {
            target: [&target[0], &target[1]],
            population: seen.null_population.as_deref(),
            ..*evidence
        };
        Ok(self.play(model, TargetRole::NullVictim, &evidence)?.0)
    }

    fn blind(
        &self,
        statistics: &Statistics,
        session: &Session,
        findings: &mut Findings,
    ) -> Result<()> {
        let outcome = blind(
            self.members.records.as_ref(),
            self.non_members.records.as_ref(),
            &BlindConfig::default(),
            statistics.seed.child("blind"),
            session,
        );
        match outcome {
            Ok(outcome) => statistics.blind(&outcome, findings),
            // Too few groups to split: said, not fatal.
            Err(Error::Config { problem, .. }) => findings.warnings.push(Warning::new(
                "control-not-measured",
                format!("The blind control was not measured: {problem}."),
            )),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn warn(&self, refused: &[(String, String)], findings: &mut Findings) {
        for (attack, reason) in refused {
            findings.warnings.push(
                Warning::new("attack-refused", format!("{attack} was not run: {reason}."))
                    .about(format!("membership.{attack}.*")),
            );
        }
        for text in &self.warnings {
            findings
                .warnings
                .push(Warning::new("records", sentence(text)));
        }
        if self.model.capability() == Capability::Labels {
            findings.warnings.push(Warning::new(
                "labels-only",
                "The model gives labels only; its losses are those of certain predictions, which still rank records.",
            ));
        }
    }

    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::new();
        let mut set = |name: &str, value: Condition| _ = conditions.insert(name.to_owned(), value);
        set("data", self.members.set.name().into());
        if !self.references.is_empty() {
            set("references", self.references.len().into());
        }
        conditions
    }

    fn subtitle(&self) -> String {
        let mut text = format!(
            "{} members of {} and {} non-members of {}",
            self.members.records.len(),
            self.members.set.name(),
            self.non_members.records.len(),
            self.non_members.set.name(),
        );
        if let Some(population) = &self.population {
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                ", a population of {} from {}",
                population.records.len(),
                population.set.name()
            );
        }
        if !self.references.is_empty() {
            let _ = write!(text, ", {} reference model(s)", self.references.len());
        }
        text.push('.');
        text
    }

    fn provenance(
        &self,
        audit: &Audit,
        command: &[String],
        logs: &[StageLog],
        started: SystemTime,
    ) -> Provenance {
        let data = self.sets().map(|(role, set)| DataBinding {
            role: role.to_owned(),
            expected: set.set.role.clone(),
            bound: set.set.name(),
            substituted: false,
            records: set.records.len() as u64,
            fingerprint: set.records.fingerprint().to_hex(),
        });
        let weights = self.models().map(|(role, model)| WeightsOrigin {
            network: format!("{role} model"),
            origin: format!(
                "{}, blake3 {}",
                model.source.name(),
                model.fingerprint.short()
            ),
            published: None,
        });
        Provenance {
            recipe: "audit".to_owned(),
            profile: "audit".to_owned(),
            seed: audit.seed,
            data: data.collect(),
            weights: weights.collect(),
            ..base_provenance(command, logs, started)
        }
    }
}

/// What every model showed.
struct Seen {
    target: [Vec<Observation>; 2],
    population: Option<Vec<Observation>>,
    references: Vec<Reference>,
    null: Option<[Vec<Observation>; 2]>,
    null_population: Option<Vec<Observation>>,
}

/// No record stands on both sides; what else is worth saying of the two.
fn check_sides(model: &OpenModel, members: &Opened, others: &Opened) -> Result<Vec<String>> {
    let input = MembershipInput {
        shadows: Vec::new(),
        targets: vec![Target {
            role: TargetRole::Victim,
            predictor: model.predictor(),
            members: members.records.as_ref(),
            non_members: others.records.as_ref(),
        }],
        knowledge: BTreeSet::new(),
        batch: 1,
        seed: Seed::root(0),
    };
    let anybody = ThreatModel {
        access: Capability::Labels,
        knowledge: Vec::new(),
    };
    Ok(input.validate("audit", &anybody)?.concat())
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
