//! Draws a report of made-up numbers, to look at the design: `cargo run -p redmask-report --example sample_report -- OUT`.
//!
//! Nothing in it was measured. Scores are drawn from normal distributions; published numbers are those of the paper.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example prints, and may stop at the first problem"
)]

use std::path::Path;

use rand::RngExt as _;
use rand_distr::{Distribution, Normal};
use redmask_core::{Capability, Knowledge, Result, Seed, ThreatModel};
use redmask_report::schema::{
    AttackStatement, Axis, BarGroup, BarPlot, Block, Cell, DataBinding, ExposedRecord,
    ExposedRecords, Figure, Hardware, HistogramPanel, HistogramPlot, Line, LinePanel, LinePlot,
    Mark, Measurement, Plot, Provenance, ReportData, Results, RocAttack, RocCurve, RocPlot, Scale,
    ScatterPlot, ScatterPoint, ScatterSeries, Section, StageTime, Table, Unit, Warning,
    WeightsOrigin,
};
use redmask_report::{Report, html};

const SEEDS: [u64; 3] = [0, 1, 2];
const RECORDS: usize = 200;
const NETWORKS: [(&str, &str); 3] = [
    ("unet-resnet34", "U-Net / ResNet-34"),
    ("unet-mobilenet-v2", "U-Net / MobileNetV2"),
    ("unet-vgg11", "U-Net / VGG11"),
];
/// Id, label, distance of members from non-members in standard deviations, needs the mask.
const ATTACKS: [(&str, &str, f64, bool); 3] = [
    ("type_i", "Type-I", 0.35, false),
    ("type_ii", "Type-II", 1.45, true),
    ("global_loss", "Global loss", 1.1, true),
];
/// Chobola et al. 2022, Tables 1-3: accuracy in percent by victim, shadow, attack.
const PUBLISHED: [[[f64; 3]; 3]; 3] = [
    [[60.9, 85.7, 80.6], [60.6, 69.0, 76.0], [56.0, 66.8, 68.1]],
    [[55.2, 64.4, 60.4], [62.3, 65.6, 69.4], [60.8, 62.1, 62.4]],
    [[54.1, 61.1, 73.4], [54.2, 76.6, 75.4], [61.3, 85.3, 76.8]],
];

fn main() -> Result<()> {
    let out = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "/tmp/redmask-sample".into());
    let out = Path::new(&out);
    std::fs::create_dir_all(out).unwrap();
    let report = sample()?;
    report.write(out)?;
    report.draw(out, html::Options::default())?;
    let gates = redmask_report::gate::Gate::judge_all(&report.data.gates, &report.results)?;
    println!("{}", redmask_report::text::render(&report, &gates, 100));
    Ok(())
}

fn normal(name: &str, seed: u64, mean: f64, deviation: f64, n: usize) -> Vec<f64> {
    let mut rng = Seed::root(seed).child(name).rng();
    let normal = Normal::new(mean, deviation).unwrap();
    (0..n).map(|_| normal.sample(&mut rng)).collect()
}

/// The curve, by sorting; a library has ties and speed to think of, a sample has not.
fn curve(members: &[f64], others: &[f64]) -> Vec<[f64; 2]> {
    let mut scores: Vec<(f64, bool)> = members
        .iter()
        .map(|&s| (s, true))
        .chain(others.iter().map(|&s| (s, false)))
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut tp, mut fp) = (0.0, 0.0);
    let mut points = vec![[0.0, 0.0]];
    for (_, member) in scores {
        if member {
            tp += 1.0;
        } else {
            fp += 1.0;
        }
        points.push([fp / others.len() as f64, tp / members.len() as f64]);
    }
    points
}

fn area(points: &[[f64; 2]]) -> f64 {
    points
        .windows(2)
        .map(|w| (w[1][0] - w[0][0]) * f64::midpoint(w[0][1], w[1][1]))
        .sum()
}

fn of_seeds(name: &str, unit: Unit, values: [f64; 3], half: f64) -> Measurement {
    let mean = values.iter().sum::<f64>() / 3.0;
    let (least, most) = unit.range();
    Measurement::new(name, unit, mean)
        .interval((mean - half).max(least), (mean + half).min(most))
        .per_seed(SEEDS.into_iter().zip(values))
        .records(RECORDS as u64, RECORDS as u64)
        .condition("data", "made-up")
}

fn sample() -> Result<Report> {
    let mut measurements = Vec::new();
    let mut table = Table::new(
        "table-attacks",
        "Attack accuracy, Tables 1 to 3",
        &["Victim", "Shadow", "Type-I", "Type-II", "Global loss"],
    )
    .caption("Accuracy at the threshold that was chosen on shadow records.");
    let mut groups = Vec::new();
    for (v, (victim, victim_label)) in NETWORKS.into_iter().enumerate() {
        for (s, (shadow, shadow_label)) in NETWORKS.into_iter().enumerate() {
            let mut cells = vec![Cell::text(victim_label), Cell::text(shadow_label)];
            let mut bars = Vec::new();
            for (a, (attack, ..)) in ATTACKS.into_iter().enumerate() {
                let published = PUBLISHED[v][s][a] / 100.0;
                let noise = normal(&format!("{victim}{shadow}{attack}"), 7, -0.03, 0.03, 3);
                let values = [0, 1, 2].map(|i| (published + noise[i]).clamp(0.45, 0.95));
                let m = of_seeds(
                    &format!("membership.{attack}.accuracy"),
                    Unit::Fraction,
                    values,
                    0.035,
                )
                .condition("victim", victim)
                .condition("shadow", shadow)
                .published(published, format!("Chobola et al. 2022, Table {}", a + 1));
                cells.push(Cell::measured(&m));
                bars.push(Some(m.key()));
                measurements.push(m);
            }
            table.push(cells);
            groups.push(BarGroup {
                labels: [victim_label.to_owned(), shadow_label.to_owned()],
                bars,
            });
        }
    }

    let (roc, areas) = roc_figure(&mut measurements);
    let mut attacks = Table::new(
        "table-areas",
        "Attacks on U-Net / ResNet-34",
        &["Attack", "AUC", "TPR at 1 % FPR"],
    );
    for (id, label, ..) in ATTACKS {
        let find = |name: &str| measurements.iter().find(|m| m.name == name).unwrap();
        attacks.push([
            Cell::text(label),
            Cell::measured(find(&format!("membership.{id}.auc"))),
            Cell::measured(find(&format!("membership.{id}.tpr_at_fpr_1e-2"))),
        ]);
    }
    let mut controls = Table::new("table-controls", "Controls", &["Control", "AUC"])
        .caption("Both must be at chance.");
    for control in &areas {
        controls.push([Cell::text(&control.0), Cell::measured(&control.1)]);
    }
    measurements.extend(areas.into_iter().map(|c| c.1));
    let scatter = gap_figure(&mut measurements);
    utility(&mut measurements);

    let mut data = ReportData::new(
        "Membership inference on polyp segmentation",
        "chobola/figure-2",
        "small",
    );
    data.subtitle =
        "A sample of made-up numbers, drawn to look at the design. Nothing here was measured."
            .into();
    data.labels
        .extend(NETWORKS.map(|(id, label)| (id.to_owned(), label.to_owned())));
    data.attacks = ATTACKS.into_iter().map(statement).collect();
    data.gates = vec![
        "membership.*.auc.low > 0.6".into(),
        "membership.type_i.auc.low > 0.7".into(),
    ];
    let section = |id: &str, title: &str, lead: &str, blocks| Section {
        id: id.into(),
        title: title.into(),
        lead: lead.into(),
        blocks,
    };
    let bars = Figure {
        id: "figure-2".into(),
        title: "Attack accuracy by victim and shadow, as Figure 2".into(),
        caption: "Rows: the victim's network, then the shadow's. Attacks do best where both agree."
            .into(),
        plot: Plot::Bars(BarPlot {
            axis: Axis::new("Accuracy").percent(),
            chance: Some(0.5),
            series: ATTACKS.map(|a| a.0.to_owned()).to_vec(),
            groups,
        }),
    };
    data.sections = vec![
        section(
            "published",
            "Measured beside published",
            "",
            vec![
                Block::Table(table),
                Block::Figure(bars),
                Block::Figure(scatter),
            ],
        ),
        section(
            "attacks",
            "Attacks",
            "Every attack on the first victim.",
            vec![Block::Table(attacks), Block::Figure(roc)],
        ),
        section(
            "controls",
            "Controls",
            "Whether the attacks measure membership at all.",
            vec![Block::Table(controls)],
        ),
        section(
            "models",
            "Models",
            "",
            vec![Block::Figure(losses()), Block::Figure(learning())],
        ),
        section(
            "exposed",
            "Most exposed records",
            "",
            vec![Block::Exposed(exposed())],
        ),
    ];
    let warnings = vec![
        Warning::new("made-up", "All numbers in this report are made up."),
        Warning::new(
            "data-substituted",
            "The recipe was written for MSD liver; it ran on polyp:0.",
        ),
        Warning::new(
            "no-imagenet-weights",
            "The published encoders started from ImageNet weights; these started from random ones.",
        ),
    ];
    Report::new(Results::new(measurements, warnings)?, provenance(), data)
}

fn statement((id, label, _, mask): (&str, &str, f64, bool)) -> AttackStatement {
    let mut knowledge = vec![
        Knowledge::ShadowData,
        Knowledge::Architecture,
        Knowledge::Training,
    ];
    if mask {
        knowledge.insert(0, Knowledge::GroundTruth);
    }
    AttackStatement {
        id: id.into(),
        label: label.into(),
        threat: ThreatModel {
            access: Capability::Scores,
            knowledge,
        },
        calibration: "shadow records only".into(),
        note: "Chobola et al. 2022, section 3.1".into(),
    }
}

type Controls = Vec<(String, Measurement)>;

fn roc_figure(measurements: &mut Vec<Measurement>) -> (Figure, Controls) {
    let mut attacks = Vec::new();
    let mut controls = Vec::new();
    for (id, label, shift, _) in ATTACKS {
        for control in [false, true] {
            let curves: Vec<RocCurve> = SEEDS
                .into_iter()
                .map(|seed| {
                    let shift = if control {
                        0.02
                    } else {
                        shift + 0.12 * seed as f64 - 0.1
                    };
                    let members = normal(&format!("{id}-{control}-in"), seed, shift, 1.3, RECORDS);
                    let others = normal(&format!("{id}-{control}-out"), seed, 0.0, 1.0, RECORDS);
                    RocCurve {
                        seed,
                        points: curve(&members, &others),
                    }
                })
                .collect();
            let values = [0, 1, 2].map(|i: usize| area(&curves[i].points));
            let name = if control {
                format!("control.null_victim.{id}.auc")
            } else {
                format!("membership.{id}.auc")
            };
            let auc = of_seeds(
                &name,
                Unit::Fraction,
                values,
                if control { 0.055 } else { 0.038 },
            )
            .condition("victim", NETWORKS[0].0);
            attacks.push(RocAttack {
                attack: id.into(),
                auc: Some(auc.key()),
                control,
                members: RECORDS as u64,
                non_members: RECORDS as u64,
                curves: curves.clone(),
            });
            if control {
                controls.push((format!("Null victim, {label}"), auc));
                continue;
            }
            let at = |c: &RocCurve| {
                c.points
                    .iter()
                    .filter(|p| p[0] <= 0.01)
                    .map(|p| p[1])
                    .fold(0.0, f64::max)
            };
            let values = [0, 1, 2].map(|i: usize| at(&curves[i]));
            measurements.push(
                of_seeds(
                    &format!("membership.{id}.tpr_at_fpr_1e-2"),
                    Unit::Fraction,
                    values,
                    0.06,
                )
                .condition("victim", NETWORKS[0].0),
            );
            measurements.push(auc);
        }
    }
    controls.insert(
        0,
        (
            "Blind".into(),
            of_seeds(
                "control.blind.auc",
                Unit::Fraction,
                [0.49, 0.52, 0.51],
                0.056,
            ),
        ),
    );
    let figure = Figure {
        id: "roc".into(),
        title: "Receiver operating characteristics".into(),
        caption: "Thin lines are seeds, strong ones their mean. The logarithmic panel shows what matters for single records: true positives at few false alarms. Grey: the same attacks on a model that saw neither set.".into(),
        plot: Plot::Roc(RocPlot { attacks }),
    };
    (figure, controls)
}

/// Chobola et al. 2022, Table 4: training records, gap, Type-II accuracy.
const TABLE_4: [(u64, f64, f64); 5] = [
    (500, 0.0240, 0.857),
    (600, 0.0194, 0.832),
    (700, 0.0186, 0.754),
    (800, 0.0185, 0.680),
    (900, 0.0168, 0.652),
];

fn gap_figure(measurements: &mut Vec<Measurement>) -> Figure {
    let mut points = Vec::new();
    for (i, (records, gap, accuracy)) in TABLE_4.into_iter().enumerate() {
        let noise = normal("gap", i as u64, 0.0, 0.012, 3);
        let gaps = [0, 1, 2].map(|s: usize| gap * 1.15 + noise[s] * 0.06);
        let accuracies = [0, 1, 2].map(|s: usize| accuracy - 0.05 + noise[2 - s]);
        let x = of_seeds("segmentation.gap", Unit::Difference, gaps, 0.0012)
            .condition("train_records", records)
            .published(gap, "Chobola et al. 2022, Table 4");
        let y = of_seeds(
            "membership.type_ii.accuracy",
            Unit::Fraction,
            accuracies,
            0.03,
        )
        .condition("train_records", records)
        .published(accuracy, "Chobola et al. 2022, Table 4");
        points.push(ScatterPoint {
            label: format!("{records} records"),
            x: x.key(),
            y: y.key(),
        });
        measurements.extend([x, y]);
    }
    Figure {
        id: "figure-4".into(),
        title: "Accuracy against the generalisation gap, as Figure 4".into(),
        caption: "Each point is a victim trained on so many records; small dots are seeds.".into(),
        plot: Plot::Scatter(ScatterPlot {
            x: Axis::new("Generalisation gap (Dice, training minus held out)"),
            y: Axis::new("Accuracy").percent(),
            chance: Some(0.5),
            series: vec![ScatterSeries {
                label: "type_ii".into(),
                joined: true,
                points,
            }],
        }),
    }
}

fn utility(measurements: &mut Vec<Measurement>) {
    for (split, values) in [
        ("members", [0.941, 0.936, 0.944]),
        ("held-out", [0.712, 0.698, 0.721]),
    ] {
        measurements.push(
            of_seeds("segmentation.miou", Unit::Fraction, values, 0.02)
                .condition("victim", NETWORKS[0].0)
                .condition("split", split),
        );
    }
}

fn losses() -> Figure {
    let panels = SEEDS.into_iter().map(|seed| {
        let loss = |name: &str, mean: f64, deviation: f64| -> Vec<f64> {
            normal(name, seed, mean, deviation, RECORDS)
                .into_iter()
                .map(|v| v.exp().min(1.0))
                .collect()
        };
        HistogramPanel::of(
            format!("Seed {seed}"),
            &loss("in", -3.5, 0.45),
            &loss("out", -2.4, 0.8),
            30,
            Scale::Log,
        )
        .threshold(0.046)
    });
    Figure {
        id: "losses".into(),
        title: "Losses of members and non-members".into(),
        caption: "Where the two differ, a threshold on the loss tells members from others.".into(),
        plot: Plot::Histogram(HistogramPlot {
            axis: Axis::new("Dice loss of the record").log(),
            panels: panels.collect(),
        }),
    }
}

fn learning() -> Figure {
    let panels = NETWORKS.into_iter().enumerate().map(|(n, (_, label))| {
        let lines = SEEDS.into_iter().flat_map(|seed| {
            let jitter = normal("learning", seed + 10 * n as u64, 0.0, 0.008, 60);
            let at = move |floor: f64, rate: f64, offset: usize| -> Vec<[f64; 2]> {
                (1..=30)
                    .map(|e| {
                        [
                            f64::from(e),
                            floor
                                + (0.75 - floor) * (-f64::from(e) / rate).exp()
                                + jitter[e as usize + offset - 1],
                        ]
                    })
                    .collect()
            };
            [
                Line::new("training", at(0.03, 5.0 + n as f64, 0)),
                Line::new("held out", at(0.16, 4.0, 30)),
            ]
        });
        LinePanel {
            title: label.into(),
            lines: lines.collect(),
            marks: vec![Mark {
                x: 30.0,
                label: "audited".into(),
            }],
        }
    });
    Figure {
        id: "learning".into(),
        title: "Learning curves".into(),
        caption: "Loss after each epoch; one line for each seed.".into(),
        plot: Plot::Lines(LinePlot {
            x: Axis::new("Epoch"),
            y: Axis::new("Dice loss"),
            chance: None,
            panels: panels.collect(),
        }),
    }
}

fn exposed() -> ExposedRecords {
    let mut rng = Seed::root(3).child("exposed").rng();
    let records = (0..10u64).map(|i| ExposedRecord {
        id: format!("train/{:04}", rng.random_range(0..1000)),
        group: None,
        loss: 0.004 + 0.002 * i as f64,
        percentiles: [0.80, 0.995, 0.99]
            .map(|top: f64| Some(top - 0.004 * i as f64 - rng.random_range(0.0..0.02)))
            .to_vec(),
        exposed_in: 3 - i / 4,
        image: None,
        truth: None,
        loss_map: None,
    });
    ExposedRecords {
        id: "exposed-records".into(),
        title: "Most exposed training records".into(),
        caption: "Ranked by the share of non-members with a lower score, averaged over attacks and seeds.".into(),
        attacks: ATTACKS.map(|a| a.0.to_owned()).to_vec(),
        seeds: 3,
        records: records.collect(),
    }
}

fn provenance() -> Provenance {
    let stage = |kind: &str, label: &str, wall_seconds, cached| StageTime {
        key: format!(
            "made-up-{}",
            label.to_lowercase().replace([' ', ',', '/'], "")
        ),
        kind: kind.into(),
        label: label.into(),
        wall_seconds,
        cached,
    };
    Provenance {
        command: [
            "redmask",
            "reproduce",
            "chobola/figure-2",
            "--data",
            "liver=polyp:0",
            "--profile",
            "small",
        ]
        .map(str::to_owned)
        .to_vec(),
        recipe: "chobola/figure-2".into(),
        profile: "small".into(),
        started: "2026-01-01T00:00:00Z".into(),
        wall_seconds: 5_412.0,
        peak_memory_bytes: Some(3_400_000_000),
        device: "cpu".into(),
        threads: 2,
        hardware: Hardware {
            cpu: "Made-up CPU".into(),
            cores: 2,
            memory_bytes: Some(16 << 30),
            cpu_features: vec!["avx2".into(), "avx512f".into()],
            os: "linux x86_64".into(),
        },
        versions: [
            ("redmask", "0.1.0"),
            ("burn", "0.22.1"),
            ("rustc", "1.95.0"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        stages: vec![
            stage("split", "liver, seed 0", 0.4, true),
            stage("train", "victim U-Net / ResNet-34, seed 0", 612.0, true),
            stage("train", "shadow U-Net / ResNet-34, seed 0", 598.0, false),
            stage("signal", "victim on both sets", 21.0, false),
            stage("attack", "Type-II", 187.0, false),
        ],
        data: vec![DataBinding {
            role: "liver".into(),
            expected: "MSD liver".into(),
            bound: "polyp:0".into(),
            substituted: true,
            records: 800,
            fingerprint: "9f2c61d0a4b7e3558812".into(),
        }],
        weights: vec![WeightsOrigin {
            network: "unet-resnet34".into(),
            origin: "from scratch".into(),
            published: Some("ImageNet".into()),
        }],
        ..Provenance::new()
    }
}
