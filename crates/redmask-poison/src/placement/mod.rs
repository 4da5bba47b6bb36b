//! Where a trigger is put.

mod legal;
mod search;

use redmask_core::{Error, IGNORE, LabelMap, Result};
use serde::{Deserialize, Serialize};

pub(crate) use legal::uniform_boxes;
pub(crate) use search::{Place, Scene, find};

use crate::ClassSet;

/// A rectangle of pixels, `[x, y, width, height]` when serialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[usize; 4]", into = "[usize; 4]")]
pub struct PixelBox {
    /// Leftmost column.
    pub x: usize,
    /// Topmost row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl From<[usize; 4]> for PixelBox {
    fn from([x, y, width, height]: [usize; 4]) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }
}

impl From<PixelBox> for [usize; 4] {
    fn from(b: PixelBox) -> Self {
        [b.x, b.y, b.width, b.height]
    }
}

impl PixelBox {
    /// The square of `side` (odd) pixels around a centre.
    pub(crate) fn around(y: usize, x: usize, side: usize) -> Self {
        Self {
            x: x - side / 2,
            y: y - side / 2,
            width: side,
            height: side,
        }
    }

    /// Row-major positions of its pixels in a raster of `width` columns.
    pub(crate) fn pixels(self, width: usize) -> impl Iterator<Item = usize> {
        (self.y..self.y + self.height)
            .flat_map(move |y| (self.x..self.x + self.width).map(move |x| y * width + x))
    }
}

/// How the distance from a box's centre to the victim is measured, in pixels; exact in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The length of the straight line between pixel centres.
    #[default]
    Euclidean,
    /// The larger of the row and column distances, which IBA's released code uses.
    Chebyshev,
}

/// A corner, or the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Corner {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
    Centre,
}

/// Where a trigger is put, tagged by `kind`.
///
/// A *legal* box lies wholly inside one class that is neither a victim class nor ignored. Its centre is at least `margin`
/// pixels from each border.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Placement {
    /// The trigger decides: a line, a frame, a change of the whole picture, or none.
    Spanning,
    /// The same corner in every picture, whatever lies there.
    Fixed {
        /// Which.
        corner: Corner,
        /// Pixels between the box and the border.
        #[serde(default)]
        margin: usize,
    },
    /// A legal box, each with the same chance (IBA).
    Uniform {
        /// See [`Placement`].
        #[serde(default)]
        margin: usize,
    },
    /// Nearest-neighbour injection (IBA, Algorithm 1): the legal box whose centre is nearest to a victim pixel, among those at
    /// a distance `L <= d <= U`; ties are broken by the seed.
    Nearest {
        /// `[L, U]`, pixels.
        band: [f64; 2],
        /// See [`Metric`].
        #[serde(default)]
        metric: Metric,
        /// See [`Placement`].
        #[serde(default)]
        margin: usize,
    },
    /// Nearest-neighbour injection as the released code does it: any legal box with `L < d <= U`, each with the same chance.
    BandUniform {
        /// `[L, U]`, pixels.
        band: [f64; 2],
        /// See [`Metric`].
        #[serde(default)]
        metric: Metric,
        /// See [`Placement`].
        #[serde(default)]
        margin: usize,
    },
    /// A distance ring: any legal box with `L <= d < U`, each with the same chance; to measure success against distance.
    Ring {
        /// `[L, U]`, pixels.
        band: [f64; 2],
        /// See [`Metric`].
        #[serde(default)]
        metric: Metric,
        /// See [`Placement`].
        #[serde(default)]
        margin: usize,
    },
    /// A box wholly on victim pixels, each with the same chance (OFBA).
    OnVictim,
    /// A box wholly on each victim instance that can hold one.
    PerInstance,
}

impl Placement {
    /// The distance band `[L, U]`, where there is one.
    pub fn band(&self) -> Option<[f64; 2]> {
        match self {
            Self::Nearest { band, .. }
            | Self::BandUniform { band, .. }
            | Self::Ring { band, .. } => Some(*band),
            _ => None,
        }
    }

    /// How distances are measured; Euclidean where the placement does not ask.
    pub fn metric(&self) -> Metric {
        match self {
            Self::Nearest { metric, .. }
            | Self::BandUniform { metric, .. }
            | Self::Ring { metric, .. } => *metric,
            _ => Metric::default(),
        }
    }

    /// Whether no trigger pixel may lie on a victim pixel.
    pub fn avoids_victims(&self) -> bool {
        matches!(
            self,
            Self::Uniform { .. }
                | Self::Nearest { .. }
                | Self::BandUniform { .. }
                | Self::Ring { .. }
        )
    }

    /// Whether it needs victim pixels to be placed at all.
    pub(crate) fn needs_victims(&self) -> bool {
        self.band().is_some() || matches!(self, Self::OnVictim | Self::PerInstance)
    }

    pub(crate) fn validate(&self) -> Result<()> {
        match self.band() {
            Some([low, high]) if !(low.is_finite() && low >= 0.0 && high >= low) => Err(
                Error::config("band", format!("[{low}, {high}] is no band of distances"))
                    .with_hint("write the least and the largest distance in pixels: 0,60"),
            ),
            _ => Ok(()),
        }
    }
}

/// Every legal centre of a `side` x `side` box: one flag a pixel of `labels`, row-major.
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_poison::{ClassSet, legal_centres};
/// // Class 1 is the victim, 255 is ignored; only the left 3x3 block of class 0 holds a box.
/// let labels = LabelMap::new(3, 5, vec![0, 0, 0, 1, 255, 0, 0, 0, 1, 255, 0, 0, 0, 1, 255]);
/// let legal = legal_centres(&labels, &ClassSet::of([1]), 3, 0);
/// assert_eq!(legal.iter().position(|&l| l), Some(6));
/// assert_eq!(legal.iter().filter(|&&l| l).count(), 1);
/// ```
pub fn legal_centres(
    labels: &LabelMap,
    victims: &ClassSet,
    side: usize,
    margin: usize,
) -> Vec<bool> {
    uniform_boxes(
        labels.height(),
        labels.width(),
        labels.data(),
        side,
        margin,
        |class| class != IGNORE && !victims.has(class),
    )
}
