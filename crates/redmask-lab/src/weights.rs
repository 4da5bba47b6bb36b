//! Weights to start from, where a published model did not start from random ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use redmask_core::{Error, Fingerprint, Result};

use crate::recipe::Recipe;

/// `NAME=FILE`, as given on the command line: a network of the recipe, and a state dict of its encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsArg {
    /// The network's name in the recipe.
    pub network: String,
    /// A safetensors or PyTorch file under torchvision's names.
    pub file: PathBuf,
}

impl FromStr for WeightsArg {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((network, file)) if !network.is_empty() && !file.is_empty() => Ok(Self {
                network: network.to_owned(),
                file: PathBuf::from(file),
            }),
            _ => Err(
                Error::config(format!("weights `{text}`"), "not NETWORK=FILE").with_hint(
                    "write the recipe's name of the network and a file: resnet34=resnet34.pth",
                ),
            ),
        }
    }
}

/// A weight file and its content's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialWeights {
    /// The file.
    pub file: PathBuf,
    /// Its content.
    pub hash: Fingerprint,
}

/// Hashes the files and checks that each belongs to a network of the recipe.
///
/// # Errors
/// If a network does not exist or is named twice, or a file cannot be read.
pub fn initial_weights(
    recipe: &Recipe,
    args: &[WeightsArg],
) -> Result<BTreeMap<String, InitialWeights>> {
    let mut weights = BTreeMap::new();
    for arg in args {
        let what = || format!("--weights {}={}", arg.network, arg.file.display());
        if !recipe.network.contains_key(&arg.network) {
            let known: Vec<&str> = recipe.network.keys().map(String::as_str).collect();
            return Err(Error::config(
                what(),
                format!("the recipe has no network `{}`", arg.network),
            )
            .with_hint(format!("it has: {}", known.join(", "))));
        }
        let found = InitialWeights {
            file: arg.file.clone(),
            hash: hash_file(&arg.file)?,
        };
        if weights.insert(arg.network.clone(), found).is_some() {
            return Err(Error::config(
                what(),
                "this network was given weights already",
            ));
        }
    }
    Ok(weights)
}

fn hash_file(path: &Path) -> Result<Fingerprint> {
    let mut file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut file, &mut hasher).map_err(|e| Error::io(path, "reading", e))?;
    Ok(Fingerprint::from(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_and_a_file_are_needed() {
        let arg: WeightsArg = "resnet34=a=b.pth".parse().unwrap();
        assert_eq!(arg.file, PathBuf::from("a=b.pth"));
        for bad in ["resnet34", "=x", "resnet34="] {
            assert!(bad.parse::<WeightsArg>().unwrap_err().hint().is_some());
        }
    }
}
