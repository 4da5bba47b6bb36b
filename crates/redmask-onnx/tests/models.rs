//! Models built in memory, honest and hostile, from file to answer.

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message;
use rand::RngExt;
use redmask_core::{
    Capability, GroupId, Image, LabelMap, Prediction, Predictor, Sample, SampleId, Seed,
};
use redmask_onnx::survey::ModelSurvey;
use redmask_onnx::{Activation, Layout, OnnxLimits, OnnxPredictor};
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

fn port(name: &str, shape: &[i64]) -> ValueInfoProto {
    let dim = shape
        .iter()
        .map(|&n| Dimension {
            // An extent of 0 is left open.
            value: (n > 0).then_some(dimension::Value::DimValue(n)),
            ..Dimension::default()
        })
        .collect();
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto { dim }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str, ints: &[(&str, i64)]) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        name: output.to_owned(),
        input: inputs.iter().map(|s| (*s).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: ints
            .iter()
            .map(|&(name, i)| AttributeProto {
                name: name.to_owned(),
                // 2 is INT.
                r#type: 2,
                i,
                ..AttributeProto::default()
            })
            .collect(),
        ..NodeProto::default()
    }
}

/// Two classes: the scores are plus and minus the red channel.
fn red(output: &[i64], more: Vec<NodeProto>, last: &str) -> ModelProto {
    let mut nodes = vec![node("Conv", &["image", "w"], "scores", &[])];
    nodes.extend(more);
    let graph = GraphProto {
        name: "red".to_owned(),
        node: nodes,
        initializer: vec![floats("w", &[2, 3, 1, 1], &[-1.0, 0.0, 0.0, 1.0, 0.0, 0.0])],
        input: vec![port("image", &[1, 3, 0, 0])],
        output: vec![port(last, output)],
        ..GraphProto::default()
    };
    model(graph)
}

fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            version: 17,
            ..OperatorSetIdProto::default()
        }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn write(folder: &Path, model: &ModelProto) -> std::path::PathBuf {
    let path = folder.join("model.onnx");
    std::fs::write(&path, model.encode_to_vec()).expect("written");
    path
}

fn open(model: &ModelProto) -> redmask_core::Result<OnnxPredictor> {
    let folder = tempfile::tempdir().expect("a folder");
    let survey = ModelSurvey::read(&write(folder.path(), model), OnnxLimits::default())?;
    let config = survey.guess(Some(2))?.config;
    OnnxPredictor::of(survey, config)
}

fn sample(height: usize, width: usize, red: impl Fn(usize) -> u8) -> Sample {
    let plane = height * width;
    let mut data = vec![0; 3 * plane];
    for (i, value) in data[..plane].iter_mut().enumerate() {
        *value = red(i);
    }
    Sample {
        id: SampleId::new("all", "0"),
        group: GroupId("0".to_owned()),
        image: Image::new(3, height, width, data),
        labels: LabelMap::filled(height, width, 0),
        instances: None,
        attributes: BTreeMap::new(),
    }
}

fn labels(predictor: &dyn Predictor, sample: &Sample) -> Vec<u8> {
    let prediction = predictor.predict(&[sample]).expect("an answer");
    prediction.labels()[0].data().to_vec()
}

#[test]
fn logits_probabilities_and_labels_agree() {
    let image = sample(4, 6, |i| if i % 3 == 0 { 255 } else { 0 });
    let expected: Vec<u8> = (0..24).map(|i| u8::from(i % 3 == 0)).collect();
    let logits = open(&red(&[1, 2, 0, 0], vec![], "scores")).expect("logits");
    let softmax = node("Softmax", &["scores"], "p", &[("axis", 1)]);
    let probabilities = open(&red(&[1, 2, 0, 0], vec![softmax], "p")).expect("probabilities");
    let argmax = node(
        "ArgMax",
        &["scores"],
        "ids",
        &[("axis", 1), ("keepdims", 0)],
    );
    let ids = open(&red(&[1, 0, 0], vec![argmax], "ids")).expect("labels");
    assert_eq!(
        probabilities.config().output.activation,
        Activation::Probabilities
    );
    assert_eq!(ids.capability(), Capability::Labels);
    for predictor in [&logits, &probabilities, &ids] {
        assert_eq!(labels(predictor, &image), expected);
    }
    let scores = |p: &OnnxPredictor| p.predict(&[&image]).expect("an answer").into_scores();
    let (a, b) = (
        scores(&logits).expect("scores"),
        scores(&probabilities).expect("scores"),
    );
    for (a, b) in a.into_probabilities().data().iter().zip(b.data()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    assert!(scores(&ids).is_err());
}

#[test]
fn channels_last_and_a_fixed_size() {
    let graph = GraphProto {
        name: "nhwc".to_owned(),
        node: vec![
            {
                let mut first = node("Transpose", &["image"], "planes", &[]);
                first.attribute.push(AttributeProto {
                    name: "perm".to_owned(),
                    r#type: 7,
                    ints: vec![0, 3, 1, 2],
                    ..AttributeProto::default()
                });
                first
            },
            node("Conv", &["planes", "w"], "z", &[]),
            {
                let mut last = node("Transpose", &["z"], "scores", &[]);
                last.attribute.push(AttributeProto {
                    name: "perm".to_owned(),
                    r#type: 7,
                    ints: vec![0, 2, 3, 1],
                    ..AttributeProto::default()
                });
                last
            },
        ],
        initializer: vec![floats("w", &[2, 3, 1, 1], &[-1.0, 0.0, 0.0, 1.0, 0.0, 0.0])],
        input: vec![port("image", &[1, 8, 8, 3])],
        output: vec![port("scores", &[1, 8, 8, 2])],
        ..GraphProto::default()
    };
    let predictor = open(&model(graph)).expect("a model");
    assert_eq!(predictor.config().input.layout, Layout::Nhwc);
    assert_eq!(predictor.config().input.size, Some([8, 8]));
    // Left half dark, right half red, at twice the model's size.
    let image = sample(16, 16, |i| if i % 16 < 8 { 0 } else { 255 });
    let expected: Vec<u8> = (0..256).map(|i| u8::from(i % 16 >= 8)).collect();
    assert_eq!(labels(&predictor, &image), expected);
}

#[test]
fn one_sigmoid_is_two_classes() {
    let graph = |last: &str, more: Vec<NodeProto>| {
        let mut nodes = vec![node("Conv", &["image", "w"], "z", &[])];
        nodes.extend(more);
        model(GraphProto {
            name: "sigmoid".to_owned(),
            node: nodes,
            initializer: vec![floats("w", &[1, 3, 1, 1], &[1.0, 0.0, 0.0])],
            input: vec![port("image", &[0, 3, 0, 0])],
            output: vec![port(last, &[0, 1, 0, 0])],
            ..GraphProto::default()
        })
    };
    let image = sample(2, 2, |i| [0, 90, 160, 255][i]);
    let scores = |model: &ModelProto| {
        let prediction = open(model)
            .expect("a model")
            .predict(&[&image])
            .expect("an answer");
        let Prediction::Scores(scores) = prediction else {
            panic!("scores");
        };
        scores.into_probabilities()
    };
    let logits = scores(&graph("z", vec![]));
    let probabilities = scores(&graph("p", vec![node("Sigmoid", &["z"], "p", &[])]));
    assert_eq!(logits.shape(), [1, 2, 2, 2]);
    for (a, b) in logits.data().iter().zip(probabilities.data()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn weights_beside_the_file_stay_in_its_folder() {
    let external = |location: &str| {
        let mut model = red(&[1, 2, 0, 0], vec![], "scores");
        let graph = model.graph.as_mut().expect("a graph");
        let tensor = &mut graph.initializer[0];
        tensor.raw_data.clear();
        tensor.data_location = Some(DataLocation::External as i32);
        tensor.external_data = vec![
            StringStringEntryProto {
                key: "location".to_owned(),
                value: location.to_owned(),
            },
            StringStringEntryProto {
                key: "offset".to_owned(),
                value: "4".to_owned(),
            },
            StringStringEntryProto {
                key: "length".to_owned(),
                value: "24".to_owned(),
            },
        ];
        model
    };
    let folder = tempfile::tempdir().expect("a folder");
    let weights: Vec<u8> = [9.0f32, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    std::fs::write(folder.path().join("model.data"), &weights).expect("written");
    let path = write(folder.path(), &external("model.data"));
    let survey = ModelSurvey::read(&path, OnnxLimits::default()).expect("a model");
    let before = survey.fingerprint().expect("a hash");
    let config = survey.guess(Some(2)).expect("a guess").config;
    let predictor = OnnxPredictor::of(survey.clone(), config.clone()).expect("a model");
    assert_eq!(labels(&predictor, &sample(1, 2, |i| [0, 255][i])), [0, 1]);
    // The weights are part of the fingerprint.
    std::fs::write(folder.path().join("model.data"), vec![0; 28]).expect("written");
    assert_ne!(survey.fingerprint().expect("a hash"), before);
    // Cut short.
    std::fs::write(folder.path().join("model.data"), &weights[..20]).expect("written");
    let cut = OnnxPredictor::of(survey, config).expect("built when asked");
    let error = cut.predict(&[&sample(1, 2, |_| 0)]).expect_err("cut short");
    assert!(error.to_string().contains("model.onnx"), "{error}");
    for location in ["../model.data", "/etc/hostname", ""] {
        let path = write(folder.path(), &external(location));
        let error = ModelSurvey::read(&path, OnnxLimits::default()).expect_err(location);
        assert!(error.to_string().contains("outside"), "{error}");
    }
}

/// Opens, and asks once: what the error says.
fn refusal(model: &ModelProto) -> String {
    match open(model) {
        Err(error) => error.to_string(),
        Ok(predictor) => match predictor.predict(&[&sample(8, 8, |_| 0)]) {
            Err(error) => error.to_string(),
            Ok(answer) => panic!("it answered {:?}", answer.labels()[0].data().len()),
        },
    }
}

#[test]
fn hostile_models_are_refused_by_name() {
    let with = |more: Vec<NodeProto>, weights: Vec<TensorProto>| {
        let mut model = red(&[1, 2, 0, 0], more, "out");
        model
            .graph
            .as_mut()
            .expect("a graph")
            .initializer
            .extend(weights);
        model
    };
    let huge = ints("n", &[1 << 20, 1 << 20]);
    let message = refusal(&with(
        vec![
            node("ConstantOfShape", &["n"], "z", &[]),
            node("Add", &["scores", "z"], "out", &[]),
        ],
        vec![huge],
    ));
    assert!(message.contains("constant asks for"), "{message}");
    let message = refusal(&with(
        vec![
            node("Loop", &["scores"], "a", &[]),
            node("RandomNormal", &["a"], "out", &[]),
        ],
        vec![],
    ));
    assert!(message.contains("Loop, RandomNormal"), "{message}");
    let message = refusal(&with(vec![], vec![floats("x", &[1 << 40, 4], &[])]));
    assert!(message.contains("elements of a weight"), "{message}");
    let message = refusal(&with(vec![], vec![floats("x", &[-3], &[])]));
    assert!(message.contains("negative extent"), "{message}");
    let message = refusal(&with(vec![node("Relu", &["nowhere"], "out", &[])], vec![]));
    assert!(
        message.contains("nowhere") || message.contains("input"),
        "{message}"
    );
    let message = refusal(&red(&[1, 2, 0, 0], vec![], "elsewhere"));
    assert!(message.contains("model.onnx"), "{message}");
    let mut two = red(&[1, 2, 0, 0], vec![], "scores");
    two.graph
        .as_mut()
        .expect("a graph")
        .input
        .push(port("second", &[1]));
    assert!(refusal(&two).contains("one input"), "{}", refusal(&two));
    assert!(refusal(&ModelProto::default()).contains("no ONNX model"));
}

/// Damage anywhere gives an answer or an error, never a panic that leaves the crate.
#[test]
fn damaged_files_are_survived() {
    let bytes = red(
        &[1, 2, 0, 0],
        vec![node("Relu", &["scores"], "out", &[])],
        "out",
    )
    .encode_to_vec();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    let mut rng = Seed::root(0).rng();
    for i in 0..400 {
        let mut damaged = bytes.clone();
        if i % 2 == 0 {
            damaged.truncate(rng.random_range(0..bytes.len()));
        } else {
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                damaged[at] = rng.random();
            }
        }
        std::fs::write(&path, damaged).expect("written");
        let Ok(survey) = ModelSurvey::read(&path, OnnxLimits::default()) else {
            continue;
        };
        let Ok(guess) = survey.guess(Some(2)) else {
            continue;
        };
        if let Ok(predictor) = OnnxPredictor::of(survey, guess.config) {
            let _ = predictor.predict(&[&sample(8, 8, |_| 7)]);
        }
    }
}
