//! NIfTI volumes as stacks of 8-bit axial slices.
//!
//! Voxels are stored in whatever order the scanner's software liked; the header's affine says where each axis points.
//! Slices are taken across the body's long axis and turned so that the patient's front is up and his right is at the
//! left, as radiologists look at them.

use std::path::Path;

use ndarray::{Array2, Ix2};
use nifti::{IntoNdArray, NiftiHeader, NiftiObject, ReaderStreamedOptions};
use redmask_core::{Error, Result};

use crate::files::Limits;

/// Largest number of voxels. 2^30 admits 1024 x 1024 x 1024.
const MAX_VOXELS: u64 = 1 << 30;

/// Largest file, bytes; CT volumes compress to a few hundred megabytes.
const MAX_BYTES: u64 = 4 << 30;

/// How an axis of the body lies in the file: the voxel axis, and whether its index grows against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Along {
    axis: usize,
    reversed: bool,
}

/// The three body axes (to the patient's left, to the back, to the head) in voxel terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation {
    left: Along,
    back: Along,
    head: Along,
}

/// Shape and orientation of a volume, from its header alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    dims: [usize; 3],
    orientation: Orientation,
}

impl Shape {
    /// # Errors
    /// If the file is no NIfTI volume of three axes, or too large.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let limits = Limits {
            max_bytes: MAX_BYTES,
            ..Limits::default()
        };
        limits.open(path)?;
        let header = NiftiHeader::from_file(path).map_err(|e| corrupt(path, &e))?;
        let dims = header.dim().map_err(|e| corrupt(path, &e))?;
        let (space, rest) = dims.split_at(3.min(dims.len()));
        if space.len() != 3 || rest.iter().any(|&n| n != 1) {
            return Err(Error::input(
                path,
                format!("a volume of shape {dims:?}; three axes were expected"),
            ));
        }
        let voxels = space.iter().map(|&n| u64::from(n)).product();
        if voxels > MAX_VOXELS {
            return Err(Error::Limit {
                path: path.to_owned(),
                what: "number of voxels",
                found: voxels,
                limit: MAX_VOXELS,
            });
        }
        if voxels == 0 {
            return Err(Error::input(path, format!("a volume of shape {dims:?}")));
        }
        Ok(Self {
            dims: [space[0], space[1], space[2]].map(usize::from),
            orientation: Orientation::of(&affine(&header)),
        })
    }

    /// Number of axial slices.
    pub(crate) fn slices(&self) -> usize {
        self.dims[self.orientation.head.axis]
    }

    /// (rows, columns) of an axial slice.
    fn slice_size(&self) -> (usize, usize) {
        (
            self.dims[self.orientation.back.axis],
            self.dims[self.orientation.left.axis],
        )
    }
}

fn corrupt(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::input(path, format!("cannot be decoded: {error}"))
        .with_hint("the file is truncated, damaged, or no NIfTI-1 volume")
}

/// The 3 x 3 part of the affine: how a step along each voxel axis moves (to the right of the world's frame: left to
/// right, back to front, foot to head). The sform counts before the qform, as nibabel has it.
fn affine(header: &NiftiHeader) -> [[f32; 3]; 3] {
    if header.sform_code > 0 {
        return [header.srow_x, header.srow_y, header.srow_z].map(|row| [row[0], row[1], row[2]]);
    }
    let pixdim = [header.pixdim[1], header.pixdim[2], header.pixdim[3]];
    if header.qform_code > 0 {
        let (b, c, d) = (header.quatern_b, header.quatern_c, header.quatern_d);
        let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
        let rotation = [
            [
                a * a + b * b - c * c - d * d,
                2.0 * (b * c - a * d),
                2.0 * (b * d + a * c),
            ],
            [
                2.0 * (b * c + a * d),
                a * a + c * c - b * b - d * d,
                2.0 * (c * d - a * b),
            ],
            [
                2.0 * (b * d - a * c),
                2.0 * (c * d + a * b),
                a * a + d * d - b * b - c * c,
            ],
        ];
        let handed = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let steps = [pixdim[0], pixdim[1], pixdim[2] * handed];
        return rotation.map(|row| std::array::from_fn(|axis| row[axis] * steps[axis]));
    }
    // Without either, NIfTI says the first axis runs to the patient's left.
    [
        [-pixdim[0], 0.0, 0.0],
        [0.0, pixdim[1], 0.0],
        [0.0, 0.0, pixdim[2]],
    ]
}

impl Orientation {
    /// The body axis that each voxel axis is closest to, the clearest match first.
    fn of(affine: &[[f32; 3]; 3]) -> Self {
        let length = |axis: usize| {
            affine
                .iter()
                .map(|row| row[axis].powi(2))
                .sum::<f32>()
                .sqrt()
        };
        let cosine =
            |world: usize, axis: usize| affine[world][axis] / length(axis).max(f32::MIN_POSITIVE);
        let mut pairs: Vec<(usize, usize)> = (0..9).map(|i| (i / 3, i % 3)).collect();
        pairs.sort_by(|&(w, a), &(x, b)| cosine(x, b).abs().total_cmp(&cosine(w, a).abs()));
        let mut found: [Option<Along>; 3] = [None; 3];
        for (world, axis) in pairs {
            let used = found.iter().flatten().any(|along| along.axis == axis);
            if found[world].is_none() && !used {
                found[world] = Some(Along {
                    axis,
                    reversed: cosine(world, axis) < 0.0,
                });
            }
        }
        // Nine candidate pairs over three by three always fill every place.
        let along = |world: usize| {
            found[world].unwrap_or(Along {
                axis: world,
                reversed: false,
            })
        };
        let flipped = |along: Along| Along {
            reversed: !along.reversed,
            ..along
        };
        // The file's world runs to the right and to the front; a picture's columns run to the patient's left (which is
        // the viewer's right) and its rows to his back.
        Self {
            left: flipped(along(0)),
            back: flipped(along(1)),
            head: along(2),
        }
    }
}

/// A decoded volume, one byte a voxel, in the file's axis order.
#[derive(Debug)]
pub(crate) struct Volume {
    shape: Shape,
    voxels: Vec<u8>,
}

impl Volume {
    /// Decodes a volume. Stored values, after the header's slope and intercept, go through `quantise`; an error of it
    /// says what is wrong with a value.
    ///
    /// # Errors
    /// If the file is damaged, or `quantise` refuses a value.
    pub(crate) fn read(
        path: &Path,
        shape: Shape,
        quantise: impl Fn(f32) -> Result<u8, String>,
    ) -> Result<Self> {
        let object = ReaderStreamedOptions::new()
            .read_file_rank(path, 2)
            .map_err(|e| corrupt(path, &e))?;
        let volume = object.into_volume();
        let dims = shape.dims;
        let same = volume
            .dim()
            .iter()
            .copied()
            .map(usize::from)
            .take(3)
            .eq(dims);
        if !same {
            return Err(Error::input(path, "the file changed while it was read"));
        }
        let mut voxels = Vec::new();
        voxels
            .try_reserve_exact(dims.iter().product())
            .map_err(|e| Error::input(path, format!("too large for this machine's memory: {e}")))?;
        for (z, sheet) in volume.enumerate() {
            let sheet: Array2<f32> = sheet
                .and_then(IntoNdArray::into_ndarray)
                .map_err(|e| corrupt(path, &e))?
                .into_dimensionality::<Ix2>()
                .map_err(|e| corrupt(path, &e))?;
            for y in 0..dims[1] {
                for x in 0..dims[0] {
                    let byte = quantise(sheet[[x, y]]).map_err(|problem| {
                        Error::input(path, format!("{problem} at voxel ({x}, {y}, {z})"))
                    })?;
                    voxels.push(byte);
                }
            }
        }
        if voxels.len() != dims.iter().product::<usize>() {
            return Err(corrupt(path, &"slices are missing"));
        }
        Ok(Self { shape, voxels })
    }

    /// Axial slice `index`, counted from the feet: (rows, columns, row-major bytes).
    pub(crate) fn slice(&self, index: usize) -> (usize, usize, Vec<u8>) {
        let Orientation { left, back, head } = self.shape.orientation;
        let (rows, columns) = self.shape.slice_size();
        let at = |along: Along, i: usize| {
            let n = self.shape.dims[along.axis];
            if along.reversed { n - 1 - i } else { i }
        };
        let stride = [
            1,
            self.shape.dims[0],
            self.shape.dims[0] * self.shape.dims[1],
        ];
        let base = at(head, index) * stride[head.axis];
        let mut bytes = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            let start = base + at(back, row) * stride[back.axis];
            bytes.extend(
                (0..columns)
                    .map(|column| self.voxels[start + at(left, column) * stride[left.axis]]),
            );
        }
        (rows, columns, bytes)
    }

    /// Whether a slice holds a value above zero.
    pub(crate) fn is_marked(&self, index: usize) -> bool {
        self.slice(index).2.iter().any(|&v| v > 0)
    }
}
