//! Embedded pictures. Pictures of training records are marked, and drawn only when asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redmask_core::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A report is a page to be mailed, not an archive.
const MAX_BYTES: usize = 4 << 20;

/// An encoded PNG; base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Png(Vec<u8>);

impl Png {
    /// # Errors
    /// If the bytes are no PNG, or more than 4 MiB.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        if !bytes.starts_with(SIGNATURE) {
            return Err(Error::Internal("an embedded picture is no PNG".into()));
        }
        if bytes.len() > MAX_BYTES {
            return Err(Error::Internal(format!(
                "an embedded picture has {} bytes, the limit is {MAX_BYTES}",
                bytes.len()
            )));
        }
        Ok(Self(bytes))
    }

    /// The encoded file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// For `src="..."`.
    pub fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(&self.0))
    }
}

impl Serialize for Png {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Png {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

/// Rows of pictures under common heads: image, truth, undefended, defended; or clean, triggered, truth, relabelled,
/// predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureGrid {
    /// Whether training records are shown; then the grid is drawn only on request.
    pub shows_members: bool,
    /// Column heads.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<PictureRow>,
}

/// One row of pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureRow {
    /// The record's id, or what is shown.
    pub label: String,
    /// A short remark, such as the placement's distance.
    #[serde(default)]
    pub note: String,
    /// One for each column; `None` leaves a gap.
    pub pictures: Vec<Option<Png>>,
}

/// The members that attacks find most surely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposedRecords {
    /// Anchor: lower-case letters, digits and `-`.
    pub id: String,
    /// Short.
    pub title: String,
    /// How the records were ranked.
    #[serde(default)]
    pub caption: String,
    /// The score columns: attack ids.
    pub attacks: Vec<String>,
    /// How many seeds each record could have been exposed in.
    pub seeds: u64,
    /// Most exposed first.
    pub records: Vec<ExposedRecord>,
}

/// One exposed record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposedRecord {
    /// `split/stem`.
    pub id: String,
    /// Patient, drive or other group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The victim's loss on it.
    pub loss: f64,
    /// For each attack, the share of non-members that score lower, in `[0, 1]`.
    pub percentiles: Vec<Option<f64>>,
    /// In how many seeds it is among the most exposed.
    pub exposed_in: u64,
    /// The picture, only with `--show-members`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Png>,
    /// Its true mask, only with `--show-members`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Png>,
    /// The victim's loss at each pixel, only with `--show-members`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_map: Option<Png>,
}
