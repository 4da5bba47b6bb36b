//! What an image becomes on its way into a model, and what its output means.

use std::fmt::Write as _;
use std::path::Path;

use redmask_core::{Error, Result};
use redmask_data::Limits;
use serde::{Deserialize, Serialize};

/// How a model is fed and read. As TOML, this is the file that `redmask model inspect` prints and `--model-config`
/// takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxConfig {
    /// The way in.
    pub input: InputConfig,
    /// The way out.
    pub output: OutputConfig,
}

/// Axes of an image tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Image, channel, row, column: PyTorch.
    Nchw,
    /// Image, row, column, channel: TensorFlow.
    Nhwc,
}

/// Order of colour channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first, as OpenCV reads images.
    Bgr,
}

/// What the numbers of an output are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Unnormalised scores.
    Logits,
    /// Probabilities: the model ends in a softmax or a sigmoid.
    Probabilities,
    /// Class ids: the model ends in an argmax.
    Labels,
}

/// The way into a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// The graph input that takes the image.
    pub name: String,
    /// Height and width that images are brought to; absent where the model takes any size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Axes.
    pub layout: Layout,
    /// Image channels: 1 or 3.
    pub channels: usize,
    /// Order of three channels.
    #[serde(default)]
    pub order: ChannelOrder,
    /// First every pixel, 0 to 255, is multiplied by this: 1/255 for networks that take 0 to 1.
    pub scale: f32,
    /// Then the mean of its channel is subtracted, in the order of the model's channels.
    pub mean: Vec<f32>,
    /// Then it is divided by the deviation of its channel.
    pub std: Vec<f32>,
}

/// The way out of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// The graph output that holds the prediction.
    pub name: String,
    /// Axes.
    pub layout: Layout,
    /// What its numbers are.
    pub activation: Activation,
    /// Number of classes. One channel of scores is a sigmoid for two.
    pub classes: usize,
}

/// The means and deviations that torchvision's and most other encoders were trained with, for pixels in 0 to 1.
pub(crate) const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
pub(crate) const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

impl OnnxConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// If it cannot be read, is malformed, or a value is out of range.
    pub fn read(path: &Path) -> Result<Self> {
        let text = Limits::default().read_text(path)?;
        let config: Self = toml::from_str(&text).map_err(|e| Error::input(path, e.to_string()))?;
        config
            .validate()
            .map_err(|e| Error::input(path, e.to_string()))?;
        Ok(config)
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// Names the key that is out of range.
    pub fn validate(&self) -> Result<()> {
        let input = &self.input;
        let fault = |key: &str, problem: String| Err(Error::config(key, problem));
        if !matches!(input.channels, 1 | 3) {
            return fault(
                "input.channels",
                format!("{} channels; images have 1 or 3", input.channels),
            );
        }
        for (key, values) in [("input.mean", &input.mean), ("input.std", &input.std)] {
            if values.len() != input.channels || values.iter().any(|v| !v.is_finite()) {
                return fault(
                    key,
                    format!(
                        "{} finite numbers are needed, one a channel",
                        input.channels
                    ),
                );
            }
        }
        if input.std.iter().any(|&v| v <= 0.0) {
            return fault("input.std", "deviations are positive".to_owned());
        }
        if !(input.scale > 0.0 && input.scale.is_finite()) {
            return fault(
                "input.scale",
                format!("{} is not a positive number", input.scale),
            );
        }
        if input
            .size
            .is_some_and(|s| s.iter().any(|side| !(1..=16384).contains(side)))
        {
            return fault("input.size", "sides are 1 to 16384 pixels".to_owned());
        }
        if !(2..=255).contains(&self.output.classes) {
            return fault(
                "output.classes",
                format!("{} classes; 2 to 255 are supported", self.output.classes),
            );
        }
        Ok(())
    }

    /// The configuration as TOML with a comment on every key.
    pub fn to_commented_toml(&self) -> String {
        let mut text = String::new();
        let input = &self.input;
        let size = input.size.map_or_else(String::new, |[h, w]| {
            format!("size = [{h}, {w}]        # height, width\n")
        });
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "[input]\n\
             name = {name:?}\n\
             {size}\
             layout = \"{layout}\"         # nchw or nhwc\n\
             channels = {channels}\n\
             order = \"{order}\"           # rgb or bgr\n\
             scale = {scale:?}  # first, each pixel (0 to 255) times this\n\
             mean = {mean:?}  # then minus this, a number a channel\n\
             std = {std:?}  # then divided by this\n\
             \n\
             [output]\n\
             name = {out:?}\n\
             layout = \"{out_layout}\"\n\
             activation = \"{activation}\"   # logits, probabilities or labels\n\
             classes = {classes}\n",
            name = input.name,
            layout = word(input.layout),
            channels = input.channels,
            order = match input.order {
                ChannelOrder::Rgb => "rgb",
                ChannelOrder::Bgr => "bgr",
            },
            scale = input.scale,
            mean = input.mean,
            std = input.std,
            out = self.output.name,
            out_layout = word(self.output.layout),
            activation = match self.output.activation {
                Activation::Logits => "logits",
                Activation::Probabilities => "probabilities",
                Activation::Labels => "labels",
            },
            classes = self.output.classes,
        );
        text
    }
}

fn word(layout: Layout) -> &'static str {
    match layout {
        Layout::Nchw => "nchw",
        Layout::Nhwc => "nhwc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> OnnxConfig {
        OnnxConfig {
            input: InputConfig {
                name: "image \"0\"".to_owned(),
                size: Some([96, 128]),
                layout: Layout::Nchw,
                channels: 3,
                order: ChannelOrder::Bgr,
                scale: 1.0 / 255.0,
                mean: IMAGENET_MEAN.to_vec(),
                std: IMAGENET_STD.to_vec(),
            },
            output: OutputConfig {
                name: "logits".to_owned(),
                layout: Layout::Nhwc,
                activation: Activation::Probabilities,
                classes: 2,
            },
        }
    }

    #[test]
    fn what_is_printed_is_what_is_read() {
        let printed = config().to_commented_toml();
        let read: OnnxConfig = toml::from_str(&printed).expect(&printed);
        assert_eq!(read, config());
    }

    #[test]
    fn values_out_of_range_are_named() {
        type Change = fn(&mut OnnxConfig);
        let cases: [(&str, Change); 6] = [
            ("input.channels", |c| c.input.channels = 4),
            ("input.mean", |c| c.input.mean.truncate(2)),
            ("input.std", |c| c.input.std[1] = 0.0),
            ("input.scale", |c| c.input.scale = f32::NAN),
            ("input.size", |c| c.input.size = Some([0, 96])),
            ("output.classes", |c| c.output.classes = 1),
        ];
        assert!(config().validate().is_ok());
        for (key, change) in cases {
            let mut config = config();
            change(&mut config);
            let error = config.validate().expect_err(key);
            assert!(error.to_string().starts_with(key), "{error}");
        }
    }
}
