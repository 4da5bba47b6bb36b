//! Saved predictions: what is written is read back, and what does not fit is refused by name.
#![expect(clippy::unwrap_used, reason = "a test stops where its fixture fails")]

use std::path::Path;

use ndarray::{Array, Array3, ArrayD, IxDyn};
use ndarray_npy::write_npy;
use redmask_core::{Capability, Error, Prediction, Predictor, Sample, ScoreKind, SegDataset};
use redmask_data::predictions::{
    PredictionDescription, PredictionFolder, PredictionKind, PredictionWriter,
};
use redmask_data::{Limits, OpenOptions, open};
use tempfile::TempDir;

const SIDE: usize = 16;

fn data() -> std::sync::Arc<dyn SegDataset> {
    let options = OpenOptions {
        size: Some((SIDE, SIDE)),
        ..OpenOptions::default()
    };
    open(&"polyp:3?count=3".parse().unwrap(), &options).unwrap()
}

fn describe(scores: PredictionKind, classes: Option<&[&str]>) -> PredictionDescription {
    PredictionDescription {
        scores,
        classes: classes.map(|names| names.iter().map(|&n| n.to_owned()).collect()),
        model: Some("b3:0123".into()),
    }
}

fn folder(root: &Path) -> PredictionFolder {
    PredictionFolder::open(root, data().class_table(), Limits::default()).unwrap()
}

fn samples() -> Vec<Sample> {
    let data = data();
    (0..data.len()).map(|i| data.sample(i).unwrap()).collect()
}

/// Some logits for a record, `[2, h, w]`.
fn logits(seed: usize) -> Array3<f32> {
    Array::from_shape_fn((2, SIDE, SIDE), |(c, y, x)| {
        ((seed + 7 * c + 3 * y + 5 * x) % 11) as f32 - 5.0
    })
}

#[test]
fn scores_are_read_back_in_the_data_sets_class_order() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("p");
    let writer = PredictionWriter::create(
        &root,
        describe(PredictionKind::Logits, Some(&["polyp", "background"])),
    )
    .unwrap();
    let samples = samples();
    for (i, sample) in samples.iter().enumerate() {
        writer
            .write_scores(&sample.id, [2, SIDE, SIDE], logits(i).as_slice().unwrap())
            .unwrap();
    }
    let model = folder(&root);
    assert_eq!(
        (model.capability(), model.class_count()),
        (Capability::Scores, 2)
    );
    let batch: Vec<&Sample> = samples.iter().collect();
    let scores = model.predict(&batch).unwrap().into_scores().unwrap();
    assert_eq!(
        (scores.shape(), scores.kind()),
        ([3, 2, SIDE, SIDE], ScoreKind::Logits)
    );
    let plane = SIDE * SIDE;
    for i in 0..3 {
        let written = logits(i);
        assert_eq!(
            &scores.image(i)[..plane],
            &written.as_slice().unwrap()[plane..]
        );
        assert_eq!(
            &scores.image(i)[plane..],
            &written.as_slice().unwrap()[..plane]
        );
    }
}

#[test]
fn labels_are_read_back() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("p");
    let writer = PredictionWriter::create(&root, describe(PredictionKind::Labels, None)).unwrap();
    let sample = &samples()[0];
    writer.write_labels(&sample.id, &sample.labels).unwrap();
    let model = folder(&root);
    assert_eq!(model.capability(), Capability::Labels);
    assert_eq!(
        model.predict(&[sample]).unwrap(),
        Prediction::Labels(vec![sample.labels.clone()])
    );
}

/// Writes one array for the first record and returns what reading it says.
fn with_array(kind: PredictionKind, array: &ArrayD<f32>) -> Result<Prediction, Error> {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("p");
    PredictionWriter::create(&root, describe(kind, None)).unwrap();
    let sample = &samples()[0];
    let path = root.join(format!("{}.npy", sample.id));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_npy(&path, array).unwrap();
    folder(&root).predict(&[sample])
}

#[test]
fn one_plane_stands_for_a_binary_model() {
    let plane = ArrayD::from_elem(IxDyn(&[1, SIDE, SIDE]), 0.75);
    let probabilities = with_array(PredictionKind::Probabilities, &plane)
        .unwrap()
        .into_scores()
        .unwrap();
    assert_eq!(
        (probabilities.data()[0], probabilities.data()[SIDE * SIDE]),
        (0.25, 0.75)
    );
    let logits = with_array(PredictionKind::Logits, &plane)
        .unwrap()
        .into_scores()
        .unwrap();
    assert_eq!((logits.data()[0], logits.data()[SIDE * SIDE]), (0.0, 0.75));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut nan = logits(0).into_dyn();
    nan[[1, 2, 3]] = f32::NAN;
    for (kind, array, told) in [
        (PredictionKind::Logits, nan, "a class score is NaN"),
        (
            PredictionKind::Logits,
            ArrayD::zeros(IxDyn(&[2, 8, SIDE])),
            "its shape is [2, 8, 16]",
        ),
        (
            PredictionKind::Logits,
            ArrayD::zeros(IxDyn(&[3, SIDE, SIDE])),
            "[2, 16, 16] was expected",
        ),
        (
            PredictionKind::Logits,
            ArrayD::zeros(IxDyn(&[SIDE, SIDE])),
            "[2, 16, 16] was expected",
        ),
        (
            PredictionKind::Probabilities,
            logits(0).into_dyn(),
            "no probabilities",
        ),
    ] {
        let error = with_array(kind, &array).unwrap_err().to_string();
        assert!(
            error.contains("polyp-3-000000.npy") && error.contains(told),
            "{error}"
        );
    }
}

#[test]
fn a_missing_record_and_a_lying_header_are_refused() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("p");
    PredictionWriter::create(&root, describe(PredictionKind::Logits, None)).unwrap();
    let sample = &samples()[0];
    let error = folder(&root).predict(&[sample]).unwrap_err().to_string();
    assert!(
        error.contains("the prediction for `train/polyp-3-000000` is missing"),
        "{error}"
    );

    let path = root.join(format!("{}.npy", sample.id));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4000000000, 4000000000), }".to_vec();
    header.resize(127, b' ');
    header.push(b'\n');
    std::fs::write(&path, header).unwrap();
    assert!(
        folder(&root)
            .predict(&[sample])
            .unwrap_err()
            .to_string()
            .contains("cannot be decoded")
    );
}

#[test]
fn a_wrong_description_is_refused() {
    let dir = TempDir::new().unwrap();
    let open = || PredictionFolder::open(dir.path(), data().class_table(), Limits::default());
    assert!(open().unwrap_err().to_string().contains("predictions.toml"));
    for (text, told) in [
        ("scores = \"odds\"", "unknown variant `odds`"),
        ("scores = \"logits\"\nclass = []", "unknown field `class`"),
        (
            "scores = \"logits\"\nclasses = [\"background\", \"liver\"]",
            "`liver` is no class",
        ),
        (
            "scores = \"logits\"\nclasses = [\"polyp\", \"polyp\"]",
            "each once",
        ),
    ] {
        std::fs::write(dir.path().join("predictions.toml"), text).unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    assert!(
        PredictionWriter::create(dir.path(), describe(PredictionKind::Labels, None))
            .unwrap_err()
            .to_string()
            .contains("not empty")
    );
}
