//! What a model file says of how it wants to be fed.

use redmask_core::{Error, Result};
use tract_onnx::pb::GraphProto;

use crate::config::{
    Activation, ChannelOrder, IMAGENET_MEAN, IMAGENET_STD, InputConfig, Layout, OnnxConfig,
    OutputConfig,
};
use crate::survey::{ModelSurvey, Port};

/// A configuration with what could not be known for certain.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The guess.
    pub config: OnnxConfig,
    /// What it rests on, a sentence each.
    pub reasons: Vec<String>,
}

impl ModelSurvey {
    /// Guesses how the model is fed and read. `classes` is the number of classes of the data set, where it is known:
    /// an exported shape may leave it open.
    ///
    /// # Errors
    /// If no input looks like an image or no output like a segmentation.
    pub fn guess(&self, classes: Option<usize>) -> Result<Guess> {
        let mut reasons = Vec::new();
        let input = self.guess_input(&mut reasons)?;
        let output = self.guess_output(input.layout, classes, &mut reasons)?;
        Ok(Guess {
            config: OnnxConfig { input, output },
            reasons,
        })
    }

    fn guess_input(&self, reasons: &mut Vec<String>) -> Result<InputConfig> {
        let inputs = self.inputs();
        let [port] = &inputs[..] else {
            let names: Vec<String> = inputs.iter().map(ToString::to_string).collect();
            return Err(Error::input(
                self.path(),
                format!(
                    "a segmentation model has one input, an image; this one has {}: {}",
                    names.len(),
                    names.join(", ")
                ),
            ));
        };
        let (layout, channels) = image_layout(port).ok_or_else(|| {
            Error::input(
                self.path(),
                format!("the input {port} is no image of 1 or 3 channels"),
            )
            .with_hint("Redmask feeds images of 1 or 3 channels, [1, c, h, w] or [1, h, w, c]")
        })?;
        let axes = match layout {
            Layout::Nchw => [2, 3],
            Layout::Nhwc => [1, 2],
        };
        let size = match axes.map(|axis| port.shape.get(axis).copied().flatten()) {
            [Some(h), Some(w)] => Some([h, w]),
            _ => None,
        };
        let (scale, mean, std, why) = guess_scaling(self.graph(), channels);
        reasons.push(why.to_owned());
        reasons.push("channel order: cannot be seen in a file; taken to be RGB".to_owned());
        Ok(InputConfig {
            name: port.name.clone(),
            size,
            layout,
            channels,
            order: ChannelOrder::Rgb,
            scale,
            mean,
            std,
        })
    }

    fn guess_output(
        &self,
        layout: Layout,
        classes: Option<usize>,
        reasons: &mut Vec<String>,
    ) -> Result<OutputConfig> {
        let outputs = self.outputs();
        // torchvision exports `out` and `aux`; others have one dense output.
        let dense = |port: &&Port| port.shape.is_empty() || (3..=4).contains(&port.shape.len());
        let port = outputs
            .iter()
            .filter(dense)
            .find(|port| port.name == "out")
            .or_else(|| outputs.iter().find(dense))
            .ok_or_else(|| {
                let names: Vec<String> = outputs.iter().map(ToString::to_string).collect();
                Error::input(
                    self.path(),
                    format!("no output is a segmentation; it has {}", names.join(", ")),
                )
                .with_hint(
                    "a classifier gives one row of scores an image and cannot be audited here",
                )
            })?;
        if outputs.len() > 1 {
            reasons.push(format!("output: the first dense one of {}", outputs.len()));
        }
        let (activation, why) = guess_activation(self.graph(), &port.name);
        reasons.push(why);
        let axis = match layout {
            Layout::Nchw => 1,
            Layout::Nhwc => port.shape.len().wrapping_sub(1),
        };
        let channels = port.shape.get(axis).copied().flatten();
        let known = match activation {
            Activation::Labels => None,
            _ => channels.map(|c| c.max(2)),
        };
        let classes = known.or(classes).unwrap_or_else(|| {
            reasons.push("classes: the file leaves them open; taken to be 2".to_owned());
            2
        });
        Ok(OutputConfig {
            name: port.name.clone(),
            layout,
            activation,
            classes,
        })
    }
}

fn image_layout(port: &Port) -> Option<(Layout, usize)> {
    let [_, second, _, fourth] = port.shape[..] else {
        return None;
    };
    let channels = |extent: Option<usize>| extent.filter(|c| matches!(c, 1 | 3));
    match (channels(second), channels(fourth)) {
        (Some(c), _) => Some((Layout::Nchw, c)),
        (None, Some(c)) => Some((Layout::Nhwc, c)),
        // An open channel axis is that of a colour image in PyTorch's layout.
        (None, None) if second.is_none() => Some((Layout::Nchw, 3)),
        _ => None,
    }
}

/// A model whose first operators do arithmetic with constants normalises by itself.
fn guess_scaling(graph: &GraphProto, channels: usize) -> (f32, Vec<f32>, Vec<f32>, &'static str) {
    let neutral = (vec![0.0; channels], vec![1.0; channels]);
    let first = graph.node.iter().find(|node| {
        !matches!(
            node.op_type.as_str(),
            "Constant" | "Identity" | "Cast" | "Transpose" | "Shape"
        )
    });
    let arithmetic =
        first.is_some_and(|n| matches!(n.op_type.as_str(), "Sub" | "Div" | "Mul" | "Add"));
    if arithmetic {
        return (
            1.0,
            neutral.0,
            neutral.1,
            "scaling: the model begins with arithmetic, so it is taken to normalise pixels of 0 to 255 by itself",
        );
    }
    if channels == 3 {
        return (
            1.0 / 255.0,
            IMAGENET_MEAN.to_vec(),
            IMAGENET_STD.to_vec(),
            "scaling: cannot be seen in a file; taken to be ImageNet's, as most encoders of colour images have it",
        );
    }
    (
        1.0 / 255.0,
        neutral.0,
        neutral.1,
        "scaling: cannot be seen in a file; taken to be 0 to 1",
    )
}

/// Follows the output back through what does not change its meaning.
fn guess_activation(graph: &GraphProto, output: &str) -> (Activation, String) {
    let mut name = output;
    for _ in 0..16 {
        let Some(node) = graph
            .node
            .iter()
            .find(|n| n.output.iter().any(|o| o == name))
        else {
            break;
        };
        match node.op_type.as_str() {
            op @ ("Softmax" | "Sigmoid") => {
                return (
                    Activation::Probabilities,
                    format!("output: it comes from a {op}, so these are probabilities"),
                );
            }
            op @ ("ArgMax" | "Greater" | "GreaterOrEqual") => {
                return (
                    Activation::Labels,
                    format!("output: it comes from a {op}, so these are labels"),
                );
            }
            "Identity" | "Cast" | "Squeeze" | "Unsqueeze" | "Resize" | "Transpose" => {
                match node.input.first() {
                    Some(input) => name = input,
                    None => break,
                }
            }
            _ => break,
        }
    }
    (
        Activation::Logits,
        "output: it comes from no softmax, sigmoid or argmax, so these are logits".to_owned(),
    )
}
