//! Architectures by name, and guessed from the names and shapes in a weight file.

use std::fmt::Write as _;

use redmask_core::{Error, Result};
use redmask_nn::network::NetworkConfig;
use redmask_nn::weights::Checkpoint;
use serde_json::{Map, Value};

/// Longer names first, so that `deeplab-v3-plus` is not read as `deeplab-v3`.
const KINDS: [&str; 7] = [
    "torchvision-deeplab-v3",
    "pyramid-swiftnet",
    "deeplab-v3-plus",
    "deeplab-v3",
    "swiftnet",
    "pspnet",
    "unet",
];

/// Reads `KIND-ENCODER[,key=value...]`, such as `unet-resnet34` or `deeplab-v3-plus-resnet50,output_stride=8,outputs=21`. The
/// keys are those of a recipe's `[network]` table.
///
/// ```
/// use redmask_lab::audit::parse_architecture;
/// let network = parse_architecture("unet-mobilenet-v2,outputs=4")?;
/// assert_eq!(network.class_count(), 4);
/// # Ok::<(), redmask_core::Error>(())
/// ```
///
/// # Errors
/// If there is no such kind, encoder or key, or a value is out of range.
pub fn parse_architecture(text: &str) -> Result<NetworkConfig> {
    let bad = |problem: String| {
        Error::config(format!("architecture `{text}`"), problem).with_hint(format!(
            "write KIND-ENCODER[,key=value], such as unet-resnet34,outputs=2; kinds: {}; encoders: resnet18, resnet34, \
             resnet50, resnet101, mobilenet-v2, vgg11",
            KINDS.join(", ")
        ))
    };
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default();
    let (kind, encoder) = KINDS
        .iter()
        .find_map(|kind| Some((*kind, name.strip_prefix(kind)?.strip_prefix('-')?)))
        .ok_or_else(|| bad("it names no kind of network and encoder".to_owned()))?;
    let mut table = Map::new();
    table.insert("kind".to_owned(), kind.into());
    table.insert("encoder".to_owned(), encoder.into());
    for part in parts {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| bad(format!("`{part}` is not key=value")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if table.insert(key.to_owned(), value).is_some() {
            return Err(bad(format!("`{key}` is given twice")));
        }
    }
    let config: NetworkConfig =
        serde_json::from_value(Value::Object(table)).map_err(|e| bad(e.to_string()))?;
    config.validate()?;
    Ok(config)
}

/// Guesses the architecture that a weight file belongs to.
///
/// # Errors
/// If its names are those of none of our networks.
pub fn guess_architecture(file: &Checkpoint) -> Result<String> {
    let found = Names::of(file).and_then(|names| names.architecture(file));
    found.ok_or_else(|| {
        let first: Vec<&str> = file.names().take(4).collect();
        Error::input(
            file.path(),
            "its tensors are those of no network that Redmask knows by name",
        )
        .with_hint(format!(
            "its names start with {first:?}; give the architecture with --arch, or export the model to ONNX"
        ))
    })
}

/// How a file's names are built.
struct Names {
    /// What training scripts put in front: `module.`, `state_dict.`, ...
    prefix: String,
    /// `encoder.` (smp) or `backbone.` (torchvision).
    trunk: &'static str,
}

impl Names {
    fn of(file: &Checkpoint) -> Option<Self> {
        ["encoder.", "backbone."].into_iter().find_map(|trunk| {
            let stems = ["conv1.weight", "features.0.0.weight", "features.0.weight"];
            stems.iter().find_map(|stem| {
                let stem = format!("{trunk}{stem}");
                let name = file.names().find(|name| name.ends_with(&stem))?;
                Some(Self {
                    prefix: name.strip_suffix(&stem)?.to_owned(),
                    trunk,
                })
            })
        })
    }

    fn shape<'a>(&self, file: &'a Checkpoint, name: &str) -> Option<&'a [usize]> {
        file.shape(&format!("{}{name}", self.prefix))
    }

    fn has(&self, file: &Checkpoint, name: &str) -> bool {
        let start = format!("{}{name}", self.prefix);
        file.names().any(|found| found.starts_with(&start))
    }

    fn architecture(&self, file: &Checkpoint) -> Option<String> {
        let kind = self.kind(file)?;
        let (encoder, stem, width) = self.encoder(file)?;
        let head = match kind {
            "torchvision-deeplab-v3" => "classifier.4.weight",
            _ => "segmentation_head.0.weight",
        };
        let outputs = *self.shape(file, head)?.first()?;
        let channels = *self.shape(file, &format!("{}{stem}", self.trunk))?.get(1)?;
        let mut text = format!("{kind}-{encoder},outputs={outputs}");
        // Writing into a String cannot fail.
        if channels != 3 {
            let _ = write!(text, ",in_channels={channels}");
        }
        if width != 1.0 {
            let _ = write!(text, ",width={width}");
        }
        if kind == "torchvision-deeplab-v3" && self.has(file, "aux_classifier.") {
            text.push_str(",auxiliary=true");
        }
        Some(text)
    }

    fn kind(&self, file: &Checkpoint) -> Option<&'static str> {
        if self.trunk == "backbone." {
            return self
                .has(file, "classifier.0.convs")
                .then_some("torchvision-deeplab-v3");
        }
        [
            ("decoder.blocks.0.conv1.", "unet"),
            ("decoder.aspp.0.", "deeplab-v3-plus"),
            ("decoder.aspp.convs.", "deeplab-v3"),
            ("decoder.psp.", "pspnet"),
        ]
        .into_iter()
        .find_map(|(name, kind)| self.has(file, name).then_some(kind))
    }

    /// The encoder, the name of its first convolution, and the factor on its channels.
    fn encoder(&self, file: &Checkpoint) -> Option<(&'static str, &'static str, f64)> {
        let channels = |name: &str| {
            let shape = self.shape(file, &format!("{}{name}", self.trunk))?;
            shape.first().copied()
        };
        // Every network here is at least this wide, and its channels are multiples of 8.
        let width = |found: usize, full: usize| (found as f64 / full as f64).max(0.05);
        // The last layer of MobileNetV2 is never narrowed, the first one is.
        if let Some(first) = channels("features.0.0.weight") {
            return Some(("mobilenet-v2", "features.0.0.weight", width(first, 32)));
        }
        if let Some(deepest) = channels("features.18.weight") {
            return Some(("vgg11", "features.0.weight", width(deepest, 512)));
        }
        let deepest = channels("layer4.0.conv1.weight")?;
        let bottleneck = self.has(file, &format!("{}layer1.0.conv3.", self.trunk));
        // ResNet-101, the deepest, has 23.
        let blocks = (0..24)
            .take_while(|i| self.has(file, &format!("{}layer3.{i}.", self.trunk)))
            .count();
        let encoder = match (bottleneck, blocks) {
            (false, 2) => "resnet18",
            (false, 6) => "resnet34",
            (true, 6) => "resnet50",
            (true, 23) => "resnet101",
            _ => return None,
        };
        Some((encoder, "conv1.weight", width(deepest, 512)))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use redmask_core::Seed;
    use redmask_nn::weights::save;

    use super::*;

    #[test]
    fn names_and_keys() {
        let network = parse_architecture("deeplab-v3-plus-resnet50,output_stride=8,outputs=21")
            .expect("known");
        let NetworkConfig::DeepLabV3Plus(config) = &network else {
            panic!("{network:?}");
        };
        assert_eq!((config.output_stride, config.outputs), (Some(8), 21));
        for bad in [
            "",
            "unet",
            "unet-",
            "resnet34",
            "unet-resnet35",
            "unet-resnet18,color=1",
            "unet-resnet18,width=99",
        ] {
            assert!(parse_architecture(bad).is_err(), "{bad}");
        }
    }

    /// What is saved is guessed back, and the guess loads.
    #[test]
    fn saved_networks_are_recognised() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "unet-resnet18,outputs=1,width=0.125",
            "unet-mobilenet-v2,outputs=5,width=0.25",
            "unet-vgg11,outputs=1,in_channels=1,width=0.125",
            "deeplab-v3-resnet50,outputs=2,width=0.125",
            "deeplab-v3-plus-resnet34,outputs=3,width=0.125",
            "torchvision-deeplab-v3-resnet50,outputs=2,width=0.125,auxiliary=true",
            "pspnet-resnet18,outputs=3,width=0.125",
        ] {
            let config = parse_architecture(name).expect(name);
            let network = config.init(Seed::root(0), &Device::flex()).expect(name);
            let path = folder.path().join("weights.safetensors");
            save(&network, &path).expect("saved");
            let file = Checkpoint::open(&path).expect("readable");
            let guess = guess_architecture(&file).expect(name);
            let guessed = parse_architecture(&guess).expect(&guess);
            assert_eq!(guessed.outputs(), config.outputs(), "{guess}");
            let again = guessed.init(Seed::root(0), &Device::flex()).expect(&guess);
            redmask_nn::weights::load(again, &file).expect(&guess);
        }
    }
}
