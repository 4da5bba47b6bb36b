//! The contract of `results.json` and `provenance.json`: the JSON Schemas, the documented example and the types agree.

#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use redmask_report::schema::{
    Counts, DataBinding, Hardware, METRICS, Measurement, Provenance, Results, StageTime, Unit,
    Warning, WeightsOrigin,
};
use serde_json::json;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/reference")
        .join(name)
}

fn validator(name: &str) -> Validator {
    let text = fs::read_to_string(reference(name)).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// One measurement with every field set, one with none, one control.
fn example() -> Results {
    let full = Measurement::new("membership.global_loss.auc", Unit::Fraction, 0.81)
        .interval(0.775, 0.842)
        .condition("data", "polyp")
        .condition("paper_compat", false)
        .condition("rate", 0.05)
        .condition("shadows", 1u64)
        .condition("victim", "unet-resnet34")
        .per_seed([(0, 0.80), (1, 0.83), (2, 0.80)])
        .counts(Counts {
            members: Some(200),
            non_members: Some(200),
            groups: Some(400),
            images: Some(400),
            pixels: Some(26_214_400),
            skipped: Some(0),
        })
        .published(0.806, "Chobola et al. 2022, Table 3");
    let bare = Measurement::new("segmentation.gap", Unit::Difference, 0.024);
    let control = Measurement::new("control.blind.auc", Unit::Fraction, 0.51)
        .interval(0.46, 0.56)
        .condition("data", "polyp")
        .per_seed([(0, 0.51)])
        .records(200, 200);
    let warning = Warning::new(
        "no-imagenet-weights",
        "The encoders started from scratch; the paper started from ImageNet weights.",
    );
    let narrow = Warning::new(
        "fpr-not-measurable",
        "With 200 non-members no false positive rate below 0.5 % can be measured.",
    )
    .about("membership.*");
    Results::new(vec![full, bare, control], vec![warning, narrow]).unwrap()
}

fn example_provenance() -> Provenance {
    Provenance {
        command: vec!["redmask".into(), "quickstart".into()],
        recipe: "quickstart".into(),
        profile: "small".into(),
        started: "2026-01-01T00:00:00Z".into(),
        wall_seconds: 301.5,
        peak_memory_bytes: Some(2 << 30),
        device: "cpu".into(),
        threads: 2,
        hardware: Hardware {
            cpu: "Example".into(),
            cores: 2,
            memory_bytes: None,
            cpu_features: vec!["avx2".into()],
            os: "linux x86_64".into(),
        },
        versions: [("redmask".to_owned(), "0.1.0".to_owned())].into(),
        stages: vec![StageTime {
            key: "5f1c".into(),
            kind: "train".into(),
            label: "victim, seed 0".into(),
            wall_seconds: 120.0,
            cached: false,
        }],
        data: vec![DataBinding {
            role: "liver".into(),
            expected: "MSD liver".into(),
            bound: "polyp:0".into(),
            substituted: true,
            records: 400,
            fingerprint: "ab12".into(),
        }],
        weights: vec![WeightsOrigin {
            network: "unet-resnet34".into(),
            origin: "from scratch".into(),
            published: Some("ImageNet".into()),
        }],
        ..Provenance::new()
    }
}

#[test]
fn results_json_is_stable() {
    insta::assert_json_snapshot!(example());
}

#[test]
fn provenance_json_is_stable() {
    insta::assert_json_snapshot!(example_provenance());
}

#[test]
fn the_documented_example_is_what_we_write() {
    let path = reference("schema/example-results.json");
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("results.json");
    example().write(&written).unwrap();
    let written = fs::read_to_string(written).unwrap();
    if std::env::var_os("REDMASK_UPDATE_DOCS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    assert_eq!(Results::read(&path).unwrap(), example());
}

#[test]
fn the_documented_metrics_are_the_known_ones() {
    let path = reference("results-schema.md");
    let mut table = String::from("| metric | printed | definition |\n|---|---|---|\n");
    for metric in METRICS {
        let row = [&format!("`{}`", metric.id), metric.label, metric.definition].join(" | ");
        table.push_str(&["| ", &row, " |\n"].concat());
    }
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("### Metrics\n\n").unwrap();
    let (_, after) = rest.split_once("\n## Gates").unwrap();
    let expected = format!("{before}### Metrics\n\n{table}\n## Gates{after}");
    if std::env::var_os("REDMASK_UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn what_we_write_satisfies_the_json_schema() {
    let results = validator("schema/results.schema.json");
    let written = serde_json::to_value(example()).unwrap();
    assert!(
        results.is_valid(&written),
        "{:?}",
        results.validate(&written)
    );
    let empty = serde_json::to_value(Results::new(vec![], vec![]).unwrap()).unwrap();
    assert!(results.is_valid(&empty));

    let provenance = validator("schema/provenance.schema.json");
    let written = serde_json::to_value(example_provenance()).unwrap();
    assert!(
        provenance.is_valid(&written),
        "{:?}",
        provenance.validate(&written)
    );
    let empty = serde_json::to_value(Provenance::new()).unwrap();
    assert!(
        provenance.is_valid(&empty),
        "{:?}",
        provenance.validate(&empty)
    );
}

/// Every rule that JSON Schema can express is refused by the schema and by the reader alike.
#[test]
fn schema_and_reader_refuse_the_same_faults() {
    let schema = validator("schema/results.schema.json");
    let faults = [
        ("a rate above one", "/value", json!(81.0)),
        ("a published percentage", "/published/value", json!(80.6)),
        ("a negative rate of a seed", "/per_seed/1", json!(-0.1)),
        ("a value that is not a number", "/value", json!(null)),
        ("an unknown unit", "/unit", json!("percent")),
        ("a name of one part", "/name", json!("auc")),
        ("capitals in a name", "/name", json!("membership.AUC")),
        ("an empty part of a name", "/name", json!("membership..auc")),
        (
            "an attack among the controls",
            "/name",
            json!("control.blind.auc"),
        ),
        ("a control among the attacks", "/control", json!(true)),
        ("an unknown field", "/n", json!({"people": 1})),
        ("a negative count", "/n/members", json!(-1)),
        ("a nested condition", "/conditions/victim", json!({"a": 1})),
        ("an empty condition", "/conditions/victim", json!("")),
        ("a repeated seed", "/seeds/1", json!(0)),
        ("no measurement at all", "", json!({})),
    ];
    for (what, pointer, spoilt) in faults {
        let mut value = serde_json::to_value(example()).unwrap();
        let list = value["measurements"].as_array_mut().unwrap();
        let full = list
            .iter_mut()
            .find(|m| m["name"] == "membership.global_loss.auc");
        *full.unwrap().pointer_mut(pointer).unwrap() = spoilt;
        assert!(!schema.is_valid(&value), "the schema admits {what}");
        let read = serde_json::from_value::<Results>(value);
        assert!(read.is_err(), "the reader admits {what}");
    }
}
