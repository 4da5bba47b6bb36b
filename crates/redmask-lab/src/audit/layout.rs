//! The report of an audit: which tables and figures stand where.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use redmask_core::{Error, Result};
use redmask_metrics::Roc;
use redmask_report::schema::{
    AttackStatement, Axis, Block, Cell, Condition, ExposedRecord, ExposedRecords, Figure,
    HistogramPanel, HistogramPlot, Measurement, PictureGrid, PictureRow, Plot, Png, ReportData,
    Results, RocAttack, RocCurve, RocPlot, Scale, Section, Table,
};

use super::attacks::Played;
use super::grains::GRID;
use super::observe::Observation;
use crate::results::figures::thinned;
use crate::results::statements::calibration;
use crate::results::utility::{HELD_OUT, MEMBERS};

/// Records listed as most exposed.
const LISTED: usize = 20;

/// What the layout is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) results: &'a Results,
    pub(super) played: &'a [Played],
    pub(super) null: &'a [Played],
    pub(super) refused: &'a [(String, String)],
    pub(super) target: [&'a [Observation]; 2],
    pub(super) notes: &'a [String],
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
    pub(super) gates: &'a [String],
}

/// Lays an audit out.
pub(super) fn report(parts: &Parts<'_>) -> Result<ReportData> {
    let section = |id: &str, title: &str, lead: &str, blocks: Vec<Block>| Section {
        id: id.to_owned(),
        title: title.to_owned(),
        lead: lead.to_owned(),
        blocks,
    };
    let mut sections = vec![
        section(
            "results",
            "Attacks",
            "Every attack that this model and these records allow. Simultaneous intervals hold for all attacks at once.",
            vec![
                Block::Table(attacks(parts)),
                Block::Figure(roc(parts)),
                Block::Table(priors(parts)),
                Block::Table(refused(parts)),
            ],
        ),
        section(
            "soundness",
            "Controls",
            "Both must be at chance. A blind control above it: the records differ by themselves. A null victim above it: the \
             attack measures something other than membership.",
            vec![Block::Table(controls(parts))],
        ),
        section(
            "model",
            "The model",
            "How well it segments what it was trained on and what it was not, and how it was read.",
            vec![
                Block::Table(utility(parts)),
                Block::Figure(losses(parts)),
                Block::Table(notes(parts)),
            ],
        ),
    ];
    let mut grains = Vec::new();
    for (id, title, name, keys, caption) in GRAINS {
        let table = conditioned(parts, id, title, name, keys, caption);
        if !table.rows.is_empty() {
            grains.push(Block::Table(table));
        }
    }
    if let Some(figure) = regions(parts)? {
        grains.push(Block::Figure(figure));
    }
    if !grains.is_empty() {
        sections.push(section(
            "grains",
            "Where it leaks",
            "The same question asked of groups, of the pixels of one class, of one region of the image, and of easy, hard, usual \
             and unusual records. These intervals are single ones: with this many, some lie above chance by luck.",
            grains,
        ));
    }
    if let Some(exposed) = exposed(parts) {
        sections.push(section(
            "exposed",
            "Most exposed records",
            "Training records that attacks tell most surely from records the model did not see.",
            vec![Block::Exposed(exposed)],
        ));
    }
    Ok(ReportData {
        subtitle: parts.subtitle.to_owned(),
        gates: parts.gates.to_vec(),
        attacks: statements(parts.played),
        sections,
        ..ReportData::new(parts.title, "audit", "audit")
    })
}

type Grain = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

const GRAINS: [Grain; 5] = [
    (
        "by-group",
        "By group",
        "grain.group.auc",
        &["attack"],
        "Is a whole patient, drive or city among the members? Scores are means over the records of a group.",
    ),
    (
        "by-class",
        "By class",
        "grain.class.auc",
        &["class"],
        "The cross-entropy on the pixels of one class, over the records that show it.",
    ),
    (
        "by-region",
        "By region",
        "grain.region.auc",
        &["row", "column"],
        "The margin in each cell of a 4 x 4 grid over the image.",
    ),
    (
        "by-difficulty",
        "By difficulty",
        "slice.difficulty.auc",
        &["attack", "quarter"],
        "Quarters of the records by their mean loss under the reference models, from easy to hard.",
    ),
    (
        "by-outlierness",
        "By outlierness",
        "slice.outlierness.auc",
        &["attack", "quarter"],
        "Quarters of the records by how unusual they look, from usual to unusual.",
    ),
];

fn of_attack<'a>(results: &'a Results, name: &str) -> Option<&'a Measurement> {
    results.named(name).next()
}

fn cell(measurement: Option<&Measurement>) -> Cell {
    measurement.map_or_else(|| Cell::missing("not measured"), Cell::measured)
}

fn attacks(parts: &Parts<'_>) -> Table {
    let mut table = Table::new(
        "attacks",
        "Attacks",
        &[
            "Attack",
            "AUC",
            "AUC (simultaneous)",
            "TPR at 1 % FPR",
            "TPR at 0.1 % FPR",
            "Balanced accuracy",
            "Epsilon (lower bound)",
        ],
    )
    .caption(
        "AUC: interval of this attack alone, and one that holds for all attacks together. Epsilon: the threshold is chosen on one \
         half of the records and tested on the other.",
    );
    for played in parts.played {
        let attack = &played.outcome.attack;
        let of = |metric: &str| {
            cell(of_attack(
                parts.results,
                &format!("membership.{attack}.{metric}"),
            ))
        };
        table.push([
            Cell::text(played.play.label()),
            of("auc"),
            of("auc_simultaneous"),
            of("tpr_at_fpr_1e-2"),
            of("tpr_at_fpr_1e-3"),
            of("balanced_accuracy"),
            of("epsilon_lower"),
        ]);
    }
    if let Some(ceiling) = of_attack(parts.results, "audit.epsilon_ceiling") {
        let blank = || Cell::text("");
        table.push([
            Cell::text("A perfect attack on as many records"),
            blank(),
            blank(),
            blank(),
            blank(),
            blank(),
            Cell::measured(ceiling),
        ]);
    }
    table
}

fn priors(parts: &Parts<'_>) -> Table {
    let mut table = Table::new(
        "priors",
        "What an accusation is worth",
        &["Attack", "Members 1 in 100", "1 in 10", "1 in 2", "Threshold from"],
    )
    .caption("Probability that a record called a member is one, at three shares of members among the records an adversary holds.");
    for played in parts.played {
        let name = format!("membership.{}.ppv", played.outcome.attack);
        let at = |prior: f64| {
            let found = parts
                .results
                .named(&name)
                .find(|m| m.conditions.get("prior") == Some(&prior.into()));
            found.map_or_else(|| Cell::missing("nobody is accused"), Cell::measured)
        };
        table.push([
            Cell::text(played.play.label()),
            at(0.01),
            at(0.1),
            at(0.5),
            Cell::text(calibration(played.outcome.decision.source)),
        ]);
    }
    table
}

fn refused(parts: &Parts<'_>) -> Table {
    let mut table = Table::new("refused", "Attacks that were not run", &["Attack", "Why"]);
    for (attack, reason) in parts.refused {
        table.push([Cell::text(attack.as_str()), Cell::text(reason.as_str())]);
    }
    table
}

fn controls(parts: &Parts<'_>) -> Table {
    let mut table = Table::new("controls", "Controls", &["Control", "AUC"]);
    table.push([
        Cell::text("Blind: a classifier that never sees the model"),
        cell(of_attack(parts.results, "control.blind.auc")),
    ]);
    if parts.null.is_empty() {
        table.push([
            Cell::text("Null victim: the attacks on a model that saw neither set"),
            Cell::missing("not measured: give --null-model or --null-predictions"),
        ]);
    }
    for played in parts.null {
        let name = format!("control.null_victim.{}.auc", played.outcome.attack);
        table.push([
            Cell::text(format!("Null victim: {}", played.play.label())),
            cell(of_attack(parts.results, &name)),
        ]);
    }
    table
}

fn utility(parts: &Parts<'_>) -> Table {
    let mut table = Table::new(
        "utility",
        "Utility",
        &["Records", "mIoU", "Pixel accuracy", "Dice", "Cross-entropy"],
    );
    for split in [MEMBERS, HELD_OUT] {
        let of = |metric: &str| {
            let name = format!("segmentation.{metric}");
            let mut found = parts.results.named(&name);
            cell(found.find(|m| m.conditions.get("split") == Some(&split.into())))
        };
        table.push([
            Cell::text(split),
            of("miou"),
            of("pixel_accuracy"),
            of("dice"),
            of("loss"),
        ]);
    }
    let gap = |name: &str| cell(of_attack(parts.results, name));
    table.push([
        Cell::text("gap"),
        gap("segmentation.miou_gap"),
        Cell::text(""),
        gap("segmentation.gap"),
        Cell::text(""),
    ]);
    table
}

fn notes(parts: &Parts<'_>) -> Table {
    let mut table = Table::new(
        "reading",
        "How the models were read",
        &["Decided without being told"],
    )
    .caption("Correct what is wrong with --arch, --scaling or --model-config.");
    for note in parts.notes {
        table.push([Cell::text(note.as_str())]);
    }
    if parts.notes.is_empty() {
        table.push([Cell::text("nothing")]);
    }
    table
}

/// All measurements of a name, a row each, with some of their conditions in front.
fn conditioned(
    parts: &Parts<'_>,
    id: &str,
    title: &str,
    name: &str,
    keys: &[&str],
    caption: &str,
) -> Table {
    let columns: Vec<&str> = keys.iter().copied().chain(["AUC"]).collect();
    let mut table = Table::new(id, title, &columns).caption(caption);
    let mut measurements: Vec<&Measurement> = parts.results.named(name).collect();
    measurements.sort_by_key(|m| {
        keys.iter()
            .map(|key| m.conditions.get(*key))
            .collect::<Vec<_>>()
    });
    for measurement in measurements {
        let texts = keys.iter().map(|key| {
            let value = measurement
                .conditions
                .get(*key)
                .map(ToString::to_string)
                .unwrap_or_default();
            let label = parts
                .played
                .iter()
                .find(|p| *key == "attack" && p.outcome.attack == value);
            Cell::text(label.map_or(value.clone(), |p| p.play.label().to_owned()))
        });
        table.push(
            texts
                .chain([Cell::measured(measurement)])
                .collect::<Vec<_>>(),
        );
    }
    table
}

fn roc(parts: &Parts<'_>) -> Figure {
    let curve = |played: &Played, control: bool| {
        let outcome = &played.outcome;
        let (members, others) = (outcome.member_scores(), outcome.non_member_scores());
        let name = if control {
            format!("control.null_victim.{}.auc", outcome.attack)
        } else {
            format!("membership.{}.auc", outcome.attack)
        };
        let roc = Roc::new(&members, &others).ok()?;
        Some(RocAttack {
            attack: outcome.attack.clone(),
            auc: of_attack(parts.results, &name).map(Measurement::key),
            control,
            members: members.len() as u64,
            non_members: others.len() as u64,
            curves: vec![RocCurve {
                seed: 0,
                points: thinned(&roc),
            }],
        })
    };
    let attacks = parts.played.iter().filter_map(|p| curve(p, false));
    let controls = parts.null.iter().filter_map(|p| curve(p, true));
    Figure {
        id: "roc".to_owned(),
        title: "Receiver operating characteristics".to_owned(),
        caption: "The logarithmic panel shows what matters for single records: true positives at few false ones. Grey: the same \
                  attacks on a model that saw neither set."
            .to_owned(),
        plot: Plot::Roc(RocPlot {
            attacks: attacks.chain(controls).collect(),
        }),
    }
}

fn losses(parts: &Parts<'_>) -> Figure {
    let of = |side: &[Observation]| side.iter().map(|o| o.signals.loss).collect::<Vec<_>>();
    Figure {
        id: "losses".to_owned(),
        title: "Losses of members and non-members".to_owned(),
        caption: "Mean cross-entropy of each record. Where the two differ, a threshold on the loss tells members from others."
            .to_owned(),
        plot: Plot::Histogram(HistogramPlot {
            axis: Axis::new("Cross-entropy of the record, nats"),
            panels: vec![HistogramPanel::of(
                "",
                &of(parts.target[0]),
                &of(parts.target[1]),
                24,
                Scale::Linear,
            )],
        }),
    }
}

/// The region grid as a picture: white at chance, dark red at an area of one.
fn regions(parts: &Parts<'_>) -> Result<Option<Figure>> {
    const CELL: usize = 40;
    let areas: Option<Vec<f64>> = (0..GRID * GRID)
        .map(|cell| {
            let at = |m: &&Measurement| {
                let place = |key: &str| m.conditions.get(key).and_then(Condition::as_number);
                place("row") == Some((cell / GRID + 1) as f64)
                    && place("column") == Some((cell % GRID + 1) as f64)
            };
            Some(parts.results.named("grain.region.auc").find(at)?.value)
        })
        .collect();
    let Some(areas) = areas else {
        return Ok(None);
    };
    let side = GRID * CELL;
    let mut picture = RgbImage::new(side as u32, side as u32);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let area = areas[y as usize / CELL * GRID + x as usize / CELL];
        let strength = ((area - 0.5) / 0.5).clamp(0.0, 1.0);
        let fade = |full: f64| (255.0 - strength * (255.0 - full)).round() as u8;
        pixel.0 = [fade(150.0), fade(20.0), fade(40.0)];
    }
    let mut bytes = Vec::new();
    DynamicImage::from(picture)
        .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
        .map_err(|e| Error::Internal(format!("the region map as PNG: {e}")))?;
    Ok(Some(Figure {
        id: "regions".to_owned(),
        title: "Where in the image membership leaks".to_owned(),
        caption: "AUC of the margin in each part of the image, over all audited records; white is chance, dark red is 1."
            .to_owned(),
        plot: Plot::Pictures(PictureGrid {
            shows_members: false,
            columns: vec!["AUC by region".to_owned()],
            rows: vec![PictureRow {
                label: "all records".to_owned(),
                note: String::new(),
                pictures: vec![Some(Png::new(bytes)?)],
            }],
        }),
    }))
}

/// Members by the share of non-members below them, averaged over the attacks.
fn exposed(parts: &Parts<'_>) -> Option<ExposedRecords> {
    let members = parts.target[0];
    let percentiles: Vec<Vec<f64>> = parts
        .played
        .iter()
        .map(|played| {
            let mut others = played.outcome.non_member_scores();
            others.sort_unstable_by(f64::total_cmp);
            let scores = played.outcome.member_scores().into_iter();
            scores
                .map(|score| others.partition_point(|&s| s < score) as f64 / others.len() as f64)
                .collect()
        })
        .collect();
    let overall = |i: usize| {
        percentiles.iter().map(|column| column[i]).sum::<f64>() / percentiles.len().max(1) as f64
    };
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| overall(b).total_cmp(&overall(a)).then(a.cmp(&b)));
    let records: Vec<ExposedRecord> = order
        .into_iter()
        .take(LISTED)
        .map(|i| ExposedRecord {
            id: members[i].id.to_string(),
            group: Some(members[i].group.to_string()).filter(|g| g != members[i].id.as_str()),
            loss: members[i].signals.dice,
            percentiles: percentiles.iter().map(|column| Some(column[i])).collect(),
            exposed_in: 1,
            image: None,
            truth: None,
            loss_map: None,
        })
        .collect();
    (!records.is_empty() && !percentiles.is_empty()).then(|| ExposedRecords {
        id: "exposed-records".to_owned(),
        title: "Most exposed training records".to_owned(),
        caption: "Ranked by the share of non-members with a lower score, averaged over the attacks. All records: records.csv."
            .to_owned(),
        attacks: parts.played.iter().map(|p| p.outcome.attack.clone()).collect(),
        seeds: 1,
        records,
    })
}

fn statements(played: &[Played]) -> Vec<AttackStatement> {
    played
        .iter()
        .map(|p| AttackStatement {
            id: p.outcome.attack.clone(),
            label: p.play.label().to_owned(),
            threat: p.outcome.threat_model.clone(),
            calibration: calibration(p.outcome.decision.source).to_owned(),
            note: String::new(),
        })
        .collect()
}
