//! Measurements of backdoors: success, its controls, and what they cost.

use redmask_core::{Result, Seed};
use redmask_metrics::backdoor::{SuccessCounts, embedded};
use redmask_metrics::{AbsentClass, ClassCounts, GroupedBootstrap, Groups, Interval, overlap};
use redmask_report::schema::{
    Axis, Block, Cell, Conditions, Counts, Figure, Line, LinePanel, LinePlot, Plot, Table, Unit,
    Warning,
};

use crate::backdoor::{AttackedRecord, BackdoorOutcome, CleanRecord};
use crate::plan::{BackdoorCell, Plan};
use crate::quality;
use crate::results::seeds::combine;
use crate::results::{Context, Findings, Setting, conditions_of_victim, tables};

/// Measures one poisoned model under every seed.
pub(super) fn measure(
    setting: &Setting<'_>,
    plan: &Plan,
    cell: &BackdoorCell,
    outcomes: &[BackdoorOutcome],
    findings: &mut Findings,
) -> Result<()> {
    let conditions = conditions_of_victim(setting, &cell.victim);
    let reports = plan
        .seeds
        .iter()
        .zip(outcomes)
        .map(|(&seed, outcome)| Ok((seed, Report::of(setting, seed, outcome)?)))
        .collect::<Result<Vec<_>>>()?;
    let total =
        |f: fn(&BackdoorOutcome) -> usize| outcomes.iter().map(|o| f(o) as u64).sum::<u64>();
    let pixels = |of: fn(&BackdoorOutcome) -> u64| Some(outcomes.iter().map(of).sum());
    let attacked = Counts {
        images: Some(total(|o| o.attacked.len())),
        pixels: pixels(|o| o.attacked.iter().map(|a| a.triggered.attacked).sum()),
        skipped: Some(total(|o| o.skipped.len())),
        ..Counts::default()
    };
    let clean = Counts {
        images: Some(total(|o| o.clean.len())),
        pixels: pixels(|o| o.clean.iter().flat_map(|r| &r.clean).map(|c| c.truth).sum()),
        skipped: Some(0),
        ..Counts::default()
    };
    let guarded = Counts {
        images: Some(total(|o| o.guarded.len())),
        pixels: pixels(|o| o.guarded.iter().map(|g| g.counts.attacked).sum()),
        ..Counts::default()
    };
    for (name, unit, over, value) in REPORTED {
        let values: Option<Vec<(u64, Interval)>> = reports
            .iter()
            .map(|(seed, report)| Some((*seed, value(report)?)))
            .collect();
        if let Some(values) = values {
            findings.measurements.push(
                combine(*name, *unit, &values)
                    .conditions(&conditions)
                    .counts(match over {
                        Over::Attacked => attacked,
                        Over::Clean => clean,
                        Over::Guarded => guarded,
                    }),
            );
        }
    }
    sweeps(setting, plan, &conditions, outcomes, findings)?;
    let skipped = attacked.skipped.unwrap_or(0);
    if skipped > 0 {
        findings.warnings.push(
            Warning::new(
                "trigger-without-place",
                format!(
                    "{skipped} held-out images under poison `{}` had no legal place for the trigger; they are in no rate.",
                    cell.victim.model.poison.as_deref().unwrap_or("-")
                ),
            )
            .about("backdoor.asr"),
        );
    }
    Ok(())
}

type Value = fn(&Report) -> Option<Interval>;

/// The images that a measurement is over.
#[derive(Debug, Clone, Copy)]
enum Over {
    /// Those with a legal place and something to relabel.
    Attacked,
    /// All held-out ones, without a trigger.
    Clean,
    /// Those in which the trigger must do nothing.
    Guarded,
}

/// What is reported, in order.
const REPORTED: &[(&str, Unit, Over, Value)] = &[
    ("backdoor.asr", Unit::Fraction, Over::Attacked, |r| {
        Some(r.asr)
    }),
    ("backdoor.net_asr", Unit::Difference, Over::Attacked, |r| {
        r.net_asr
    }),
    ("backdoor.asr_image", Unit::Fraction, Over::Attacked, |r| {
        Some(r.asr_image)
    }),
    (
        "backdoor.asr_instance",
        Unit::Fraction,
        Over::Attacked,
        |r| r.asr_instance,
    ),
    ("backdoor.residual", Unit::Fraction, Over::Attacked, |r| {
        Some(r.residual)
    }),
    ("backdoor.collateral", Unit::Fraction, Over::Attacked, |r| {
        r.collateral
    }),
    ("backdoor.pba", Unit::Fraction, Over::Attacked, |r| r.pba),
    ("backdoor.cba", Unit::Fraction, Over::Clean, |r| Some(r.cba)),
    (
        "backdoor.cba_clean_twin",
        Unit::Fraction,
        Over::Clean,
        |r| Some(r.cba_clean),
    ),
    ("backdoor.cba_loss", Unit::Difference, Over::Clean, |r| {
        Some(r.cba_loss)
    }),
    (
        "backdoor.pixel_accuracy",
        Unit::Fraction,
        Over::Clean,
        |r| Some(r.pixel_accuracy),
    ),
    ("backdoor.embedded", Unit::Fraction, Over::Attacked, |r| {
        r.embedded
    }),
    ("backdoor.psnr", Unit::Decibel, Over::Attacked, |r| r.psnr),
    ("backdoor.ssim", Unit::Score, Over::Attacked, |r| r.ssim),
    (
        "control.backdoor.clean_model.asr",
        Unit::Fraction,
        Over::Attacked,
        |r| Some(r.clean_model),
    ),
    (
        "control.backdoor.no_trigger.asr",
        Unit::Fraction,
        Over::Attacked,
        |r| r.no_trigger,
    ),
    (
        "control.backdoor.wrong_trigger.asr",
        Unit::Fraction,
        Over::Attacked,
        |r| r.wrong,
    ),
    (
        "control.backdoor.must_not_fire.asr",
        Unit::Fraction,
        Over::Guarded,
        |r| r.guarded,
    ),
];

/// One model under one seed.
struct Report {
    asr: Interval,
    net_asr: Option<Interval>,
    asr_image: Interval,
    asr_instance: Option<Interval>,
    residual: Interval,
    collateral: Option<Interval>,
    pba: Option<Interval>,
    cba: Interval,
    cba_clean: Interval,
    cba_loss: Interval,
    pixel_accuracy: Interval,
    embedded: Option<Interval>,
    psnr: Option<Interval>,
    ssim: Option<Interval>,
    clean_model: Interval,
    no_trigger: Option<Interval>,
    wrong: Option<Interval>,
    guarded: Option<Interval>,
}

/// Resamples some records of an outcome by group.
struct Resampled<'a> {
    bootstrap: GroupedBootstrap,
    groups: Groups,
    outcome: &'a BackdoorOutcome,
}

impl<'a> Resampled<'a> {
    fn new(
        setting: &Setting<'_>,
        seed: u64,
        outcome: &'a BackdoorOutcome,
        records: impl Iterator<Item = usize>,
    ) -> Self {
        let ids: Vec<_> = records.map(|r| outcome.clean[r].group.clone()).collect();
        Self {
            bootstrap: GroupedBootstrap {
                replicates: setting.recipe.statistics.replicates,
                ..GroupedBootstrap::new(Seed::root(seed).child("bootstrap").child("backdoor"))
            },
            groups: Groups::new(&ids),
            outcome,
        }
    }

    /// An interval of a statistic of weighted records; the bare value where there are too few groups to show a spread.
    fn of(&self, statistic: impl Fn(&[u32]) -> f64 + Sync) -> Result<Interval> {
        if self.groups.count() < 2 {
            let value = statistic(&vec![1; self.groups.records()]);
            return Ok(Interval {
                value,
                low: value,
                high: value,
            });
        }
        let intervals = self
            .bootstrap
            .weighted(&[&self.groups], 1, |w, out| out[0] = statistic(w[0]))?;
        Ok(intervals[0])
    }

    /// A pooled rate over attacked records.
    fn rate(&self, part: impl Fn(&AttackedRecord) -> (u64, u64) + Sync) -> Result<Interval> {
        let pairs: Vec<(u64, u64)> = self.outcome.attacked.iter().map(part).collect();
        self.of(|weights| pooled_rate(&pairs, weights))
    }
}

fn pooled_rate(pairs: &[(u64, u64)], weights: &[u32]) -> f64 {
    let (mut some, mut all) = (0.0, 0.0);
    for (&(hit, of), &w) in pairs.iter().zip(weights) {
        some += hit as f64 * f64::from(w);
        all += of as f64 * f64::from(w);
    }
    if all > 0.0 { some / all } else { 0.0 }
}

fn hits(counts: &SuccessCounts) -> (u64, u64) {
    (counts.hit, counts.attacked)
}

fn mean(values: &[f64], weights: &[u32]) -> f64 {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let sum: f64 = values
        .iter()
        .zip(weights)
        .map(|(v, &w)| v * f64::from(w))
        .sum();
    sum / total
}

/// Class counts of weighted records.
fn pooled<'a>(
    records: impl Iterator<Item = &'a Vec<ClassCounts>>,
    weights: &[u32],
) -> Vec<ClassCounts> {
    let mut sums: Vec<ClassCounts> = Vec::new();
    for (classes, &w) in records.zip(weights) {
        sums.resize(classes.len(), ClassCounts::default());
        for (sum, class) in sums.iter_mut().zip(classes) {
            sum.truth += class.truth * u64::from(w);
            sum.predicted += class.predicted * u64::from(w);
            sum.intersection += class.intersection * u64::from(w);
        }
    }
    sums
}

impl Report {
    fn of(setting: &Setting<'_>, seed: u64, outcome: &BackdoorOutcome) -> Result<Self> {
        let attacked = Resampled::new(
            setting,
            seed,
            outcome,
            outcome.attacked.iter().map(|a| a.record),
        );
        let all = Resampled::new(setting, seed, outcome, 0..outcome.clean.len());
        let optional =
            |get: fn(&AttackedRecord) -> Option<SuccessCounts>| -> Result<Option<Interval>> {
                let counts: Option<Vec<SuccessCounts>> = outcome.attacked.iter().map(get).collect();
                counts
                    .map(|counts| {
                        let pairs: Vec<_> = counts.iter().map(hits).collect();
                        attacked.of(|w| pooled_rate(&pairs, w))
                    })
                    .transpose()
            };
        let no_trigger = optional(|a| a.untriggered)?;
        let net_asr = no_trigger
            .map(|_| {
                let with: Vec<_> = outcome
                    .attacked
                    .iter()
                    .map(|a| hits(&a.triggered))
                    .collect();
                let without: Vec<_> = outcome
                    .attacked
                    .iter()
                    .map(|a| a.untriggered.as_ref().map_or((0, 0), hits))
                    .collect();
                attacked.of(|w| pooled_rate(&with, w) - pooled_rate(&without, w))
            })
            .transpose()?;
        let images: Vec<f64> = outcome
            .attacked
            .iter()
            .map(|a| a.triggered.rate().unwrap_or(0.0))
            .collect();
        let averaged = |get: fn(&AttackedRecord) -> Option<f64>| -> Result<Option<Interval>> {
            let values: Option<Vec<f64>> = outcome.attacked.iter().map(get).collect();
            values.map(|v| attacked.of(|w| mean(&v, w))).transpose()
        };
        let miou = |records: fn(&CleanRecord) -> &Vec<ClassCounts>, w: &[u32]| {
            quality::miou(&pooled(outcome.clean.iter().map(records), w))
        };
        let poisoned: fn(&CleanRecord) -> &Vec<ClassCounts> = |r| &r.poisoned;
        let clean: fn(&CleanRecord) -> &Vec<ClassCounts> = |r| &r.clean;
        Ok(Self {
            asr: attacked.rate(|a| hits(&a.triggered))?,
            net_asr,
            asr_image: attacked.of(|w| mean(&images, w))?,
            asr_instance: instance_share(&attacked)?,
            residual: attacked.rate(|a| (a.triggered.retained, a.triggered.attacked))?,
            collateral: if outcome.attacked.iter().any(|a| a.collateral.0 > 0) {
                Some(attacked.rate(|a| (a.collateral.1, a.collateral.0))?)
            } else {
                None
            },
            pba: benign(&attacked)?,
            cba: all.of(|w| miou(poisoned, w))?,
            cba_clean: all.of(|w| miou(clean, w))?,
            cba_loss: all.of(|w| miou(clean, w) - miou(poisoned, w))?,
            pixel_accuracy: all
                .of(|w| quality::pixel_accuracy(&pooled(outcome.clean.iter().map(poisoned), w)))?,
            embedded: vanished(&attacked)?,
            psnr: averaged(|a| a.psnr)?,
            ssim: averaged(|a| a.ssim)?,
            clean_model: attacked.rate(|a| hits(&a.clean_model))?,
            no_trigger,
            wrong: optional(|a| a.wrong)?,
            guarded: guarded(setting, seed, outcome)?,
        })
    }
}

/// Share of attacked instances of which half the pixels were hit.
fn instance_share(attacked: &Resampled<'_>) -> Result<Option<Interval>> {
    let pairs: Vec<(u64, u64)> = attacked
        .outcome
        .attacked
        .iter()
        .map(|a| {
            let won = a
                .instances
                .iter()
                .filter(|i| 2 * i.hit >= i.attacked)
                .count();
            (won as u64, a.instances.len() as u64)
        })
        .collect();
    let any = pairs.iter().any(|(_, n)| *n > 0);
    any.then(|| attacked.of(|w| pooled_rate(&pairs, w)))
        .transpose()
}

/// PBA: mIoU of the pixels left alone, victim classes left out of the mean.
fn benign(attacked: &Resampled<'_>) -> Result<Option<Interval>> {
    let outcome = attacked.outcome;
    let value = |weights: &[u32]| -> Option<f64> {
        let others: Vec<ClassCounts> = pooled(outcome.attacked.iter().map(|a| &a.benign), weights)
            .into_iter()
            .enumerate()
            .filter(|(class, _)| !outcome.victims.contains(&(*class as u8)))
            .map(|(_, counts)| counts)
            .collect();
        overlap::class_mean(&others, AbsentClass::Skip, ClassCounts::iou).ok()
    };
    // An attack on whole annotations leaves no pixel alone.
    if value(&vec![1; outcome.attacked.len()]).is_none() {
        return Ok(None);
    }
    attacked.of(|w| value(w).unwrap_or(0.0)).map(Some)
}

/// Share of the images whose predicted object falls below half under the trigger; the verdict "embedded" is that it reaches one
/// half.
fn vanished(attacked: &Resampled<'_>) -> Result<Option<Interval>> {
    let areas: Vec<_> = attacked.outcome.attacked.iter().map(|a| a.area).collect();
    if attacked.outcome.victims.is_empty() || embedded(&areas).is_err() {
        return Ok(None);
    }
    let pairs: Vec<(u64, u64)> = areas
        .iter()
        .map(|a| {
            let counted = u64::from(a.untriggered > 0);
            (
                counted * u64::from(2 * a.triggered < a.untriggered),
                counted,
            )
        })
        .collect();
    attacked.of(|w| pooled_rate(&pairs, w)).map(Some)
}

fn guarded(
    setting: &Setting<'_>,
    seed: u64,
    outcome: &BackdoorOutcome,
) -> Result<Option<Interval>> {
    if outcome.guarded.is_empty() {
        return Ok(None);
    }
    let resampled = Resampled::new(
        setting,
        seed,
        outcome,
        outcome.guarded.iter().map(|g| g.record),
    );
    let pairs: Vec<_> = outcome.guarded.iter().map(|g| hits(&g.counts)).collect();
    resampled.of(|w| pooled_rate(&pairs, w)).map(Some)
}

/// Success with the trigger placed or drawn otherwise.
fn sweeps(
    setting: &Setting<'_>,
    plan: &Plan,
    conditions: &Conditions,
    outcomes: &[BackdoorOutcome],
    findings: &mut Findings,
) -> Result<()> {
    let points = outcomes.first().map_or(0, |o| o.sweeps.len());
    for k in 0..points {
        let mut values = Vec::new();
        let (mut images, mut skipped) = (0, 0);
        for (&seed, outcome) in plan.seeds.iter().zip(outcomes) {
            let point = &outcome.sweeps[k];
            images += point.records.len() as u64;
            skipped += point.skipped;
            if point.records.is_empty() {
                continue;
            }
            let resampled = Resampled::new(
                setting,
                seed,
                outcome,
                point.records.iter().map(|(r, _)| *r),
            );
            let pairs: Vec<_> = point.records.iter().map(|(_, c)| hits(c)).collect();
            values.push((seed, resampled.of(|w| pooled_rate(&pairs, w))?));
        }
        // A ring in which no image of some seed has a legal place is not measured.
        if values.len() != outcomes.len() {
            continue;
        }
        let point = &outcomes[0].sweeps[k];
        findings.measurements.push(
            // A name of its own: what is published for the trained trigger must not meet these.
            combine("backdoor.sweep.asr", Unit::Fraction, &values)
                .conditions(conditions)
                .condition(&format!("tested_{}", point.condition), point.value.clone())
                .counts(Counts {
                    images: Some(images),
                    skipped: Some(skipped),
                    ..Counts::default()
                }),
        );
    }
    Ok(())
}

/// The table of all backdoors, and a curve for each sweep.
pub(super) fn blocks(context: &Context<'_>) -> Vec<Block> {
    let columns = [
        ("ASR", "backdoor.asr"),
        ("Net ASR", "backdoor.net_asr"),
        ("Clean model", "control.backdoor.clean_model.asr"),
        ("No trigger", "control.backdoor.no_trigger.asr"),
        ("Wrong trigger", "control.backdoor.wrong_trigger.asr"),
        ("Must not fire", "control.backdoor.must_not_fire.asr"),
        ("Still right", "backdoor.residual"),
        ("PBA", "backdoor.pba"),
        ("CBA", "backdoor.cba"),
        ("CBA, clean twin", "backdoor.cba_clean_twin"),
        ("Collateral", "backdoor.collateral"),
    ];
    let heads: Vec<&str> = ["Victim", "Poison"]
        .into_iter()
        .chain(columns.iter().map(|(head, _)| *head))
        .collect();
    let mut table = Table::new("backdoors-all", "Planted backdoors", &heads).caption(
        "ASR: share of the pixels that the relabelling would change that the triggered image makes the model call as the attacker \
         wants. PBA and CBA: mIoU on triggered and on clean images.",
    );
    for cell in &context.outcomes.plan.backdoors {
        let row = conditions_of_victim(context.setting, &cell.victim);
        let names = [
            context
                .setting
                .label_of_value("victim", &cell.victim.model.network),
            context
                .setting
                .label_of_value("poison", cell.victim.model.poison.as_deref().unwrap_or("-")),
        ];
        let values =
            columns.iter().map(
                |(_, name)| match tables::find(context.results, name, &row) {
                    Some(measurement) => Cell::measured(measurement),
                    None => Cell::missing("not measured"),
                },
            );
        table.push(names.into_iter().map(Cell::text).chain(values));
    }
    let mut blocks = vec![Block::Table(table)];
    for (condition, axis) in [
        (
            "tested_distance",
            "Distance of the trigger to the victim, pixels",
        ),
        ("tested_trigger_size", "Trigger size, pixels"),
        ("tested_opacity", "Opacity"),
    ] {
        blocks.extend(curve(context, condition, axis).map(Block::Figure));
    }
    blocks
}

/// Success against one swept condition, a line for each poisoned model.
fn curve(context: &Context<'_>, condition: &str, axis: &str) -> Option<Figure> {
    let mut lines = Vec::new();
    for cell in &context.outcomes.plan.backdoors {
        let row = conditions_of_victim(context.setting, &cell.victim);
        let mut points: Vec<[f64; 2]> = context
            .results
            .named("backdoor.sweep.asr")
            .filter(|m| {
                row.iter()
                    .all(|(key, value)| m.conditions.get(key) == Some(value))
            })
            .filter_map(|m| {
                let at = m.conditions.get(condition)?.to_string();
                // A ring is drawn at its middle.
                let x = match at.split_once('-') {
                    Some((low, high)) => {
                        f64::midpoint(low.parse::<f64>().ok()?, high.parse::<f64>().ok()?)
                    }
                    None => at.parse().ok()?,
                };
                Some([x, m.value])
            })
            .collect();
        points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        if !points.is_empty() {
            lines.push(Line::new(
                context.setting.label_of_use(&cell.victim),
                points,
            ));
        }
    }
    (!lines.is_empty()).then(|| Figure {
        id: format!("backdoor-{}", condition.replace('_', "-")),
        title: format!("Success against: {}", axis.to_lowercase()),
        caption: "Pooled over pixels, mean over seeds; images without a legal place are left out."
            .into(),
        plot: Plot::Lines(LinePlot {
            x: Axis::new(axis),
            y: Axis::new("ASR").percent(),
            chance: None,
            panels: vec![LinePanel {
                title: String::new(),
                lines,
                marks: Vec::new(),
            }],
        }),
    })
}
