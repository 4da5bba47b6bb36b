//! Descriptors of a record: what can be known of it without a model.

use rayon::prelude::*;
use redmask_core::{IGNORE, Image, LabelMap, Result, Sample, SegDataset, Session};

/// The descriptors of every record of several sets, standardised over all of them together: colours, layout, edges, and
/// the regions of the mask. Their squares follow them. What [`super::blind()`] sees, for attacks that ask how unusual a signal is
/// for a record like this, and for slices by how unusual a record is.
///
/// # Errors
/// If a record cannot be decoded, or the session is cancelled.
pub fn descriptors(sets: &[&dyn SegDataset], session: &Session) -> Result<Vec<Vec<Vec<f64>>>> {
    let total: usize = sets.iter().map(|data| data.len()).sum();
    let mut task = session.progress.start("describe", total as u64, "record");
    let mut rows = Vec::with_capacity(total);
    for data in sets {
        let classes = data.class_table().len();
        for start in (0..data.len()).step_by(64) {
            session.cancel.check()?;
            let chunk = start..(start + 64).min(data.len());
            task.advance(chunk.len() as u64);
            let described = chunk
                .into_par_iter()
                .map(|i| Ok(describe(&data.sample(i)?, classes)))
                .collect::<Result<Vec<_>>>()?;
            rows.extend(described);
        }
    }
    let mut rows = standardise(rows).into_iter();
    Ok(sets
        .iter()
        .map(|data| rows.by_ref().take(data.len()).collect())
        .collect())
}

/// The descriptors of one record. Their number depends on channels and classes only, so records of any size line up.
pub(super) fn describe(sample: &Sample, classes: usize) -> Vec<f64> {
    let grey = Plane::luminance(&sample.image);
    let mut row = vec![grey.height as f64, grey.width as f64];
    colours(&sample.image, &mut row);
    layout(&grey, &mut row);
    edges(&grey, &mut row);
    regions(&sample.labels, classes, &mut row);
    contrast(&sample.image, &grey, &sample.labels, &mut row);
    row
}

/// Columns with zero mean and unit variance, limited to five standard deviations, and their squares. Constant columns
/// fall out.
pub(super) fn standardise(rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let (n, p) = (rows.len() as f64, rows.first().map_or(0, Vec::len));
    let mut columns = Vec::with_capacity(p);
    for j in 0..p {
        let mean = rows.iter().map(|r| r[j]).sum::<f64>() / n;
        let variance = rows.iter().map(|r| (r[j] - mean).powi(2)).sum::<f64>() / n;
        if variance > 1e-12 * mean.mul_add(mean, 1e-12) {
            columns.push((j, mean, variance.sqrt()));
        }
    }
    rows.into_iter()
        .map(|row| {
            let z = columns
                .iter()
                .map(|&(j, mean, sd)| ((row[j] - mean) / sd).clamp(-5.0, 5.0));
            // z^2 has mean 1 and, for a Gaussian column, standard deviation sqrt 2.
            z.clone()
                .chain(z.map(|z| (z * z - 1.0) / std::f64::consts::SQRT_2))
                .collect()
        })
        .collect()
}

/// One channel as floating-point numbers in `[0, 255]`.
struct Plane {
    height: usize,
    width: usize,
    data: Vec<f32>,
}

impl Plane {
    fn luminance(image: &Image) -> Self {
        let (height, width) = (image.height(), image.width());
        let planes: Vec<&[u8]> = image.data().chunks_exact(height * width).collect();
        let data = match planes[..] {
            // ITU-R BT.601 luma.
            [r, g, b] => (0..height * width)
                .map(|i| {
                    0.299 * f32::from(r[i]) + 0.587 * f32::from(g[i]) + 0.114 * f32::from(b[i])
                })
                .collect(),
            _ => planes[0].iter().map(|&v| f32::from(v)).collect(),
        };
        Self {
            height,
            width,
            data,
        }
    }

    /// Means of 2 x 2 blocks; `None` below two pixels a side.
    fn halved(&self) -> Option<Self> {
        let (height, width) = (self.height / 2, self.width / 2);
        if height == 0 || width == 0 {
            return None;
        }
        let data = (0..height * width)
            .map(|i| {
                let corner = i / width * 2 * self.width + i % width * 2;
                let rows = [corner, corner + self.width];
                rows.iter()
                    .map(|&r| self.data[r] + self.data[r + 1])
                    .sum::<f32>()
                    / 4.0
            })
            .collect();
        Some(Self {
            height,
            width,
            data,
        })
    }

    /// Forward differences `(dx, dy)` of the pixels that have both neighbours.
    fn gradients(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let inner = (0..self.height.saturating_sub(1))
            .flat_map(move |y| (0..self.width.saturating_sub(1)).map(move |x| y * self.width + x));
        inner.map(move |i| {
            let here = self.data[i];
            (
                f64::from(self.data[i + 1] - here),
                f64::from(self.data[i + self.width] - here),
            )
        })
    }
}

/// Mean and standard deviation of a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut moments = Self::default();
        values.for_each(|v| moments.add(v));
        moments
    }

    fn mean(&self) -> f64 {
        self.sum / self.n.max(1.0)
    }

    fn deviation(&self) -> f64 {
        (self.squares / self.n.max(1.0) - self.mean().powi(2))
            .max(0.0)
            .sqrt()
    }
}

/// Per channel: mean, deviation, three quantiles and an eight-bin histogram; of colour images two opponent colours.
fn colours(image: &Image, row: &mut Vec<f64>) {
    let plane = image.height() * image.width();
    for channel in image.data().chunks_exact(plane) {
        let mut histogram = [0u32; 256];
        for &v in channel {
            histogram[usize::from(v)] += 1;
        }
        let moments = Moments::of(channel.iter().map(|&v| f64::from(v)));
        row.extend([moments.mean(), moments.deviation()]);
        row.extend([0.05, 0.5, 0.95].map(|level| {
            let mut below = 0.0;
            let reached = histogram.iter().position(|&count| {
                below += f64::from(count);
                below >= level * plane as f64
            });
            reached.unwrap_or(255) as f64
        }));
        let bins = histogram
            .chunks(32)
            .map(|bin| f64::from(bin.iter().sum::<u32>()));
        row.extend(bins.map(|count| count / plane as f64));
    }
    if let [r, g, b] = image.data().chunks_exact(plane).collect::<Vec<_>>()[..] {
        let pixels = || (0..plane).map(|i| [r[i], g[i], b[i]].map(f64::from));
        let red_green = Moments::of(pixels().map(|[r, g, _]| r - g));
        let blue_yellow = Moments::of(pixels().map(|[r, g, b]| b - f64::midpoint(r, g)));
        row.extend(
            [red_green, blue_yellow]
                .iter()
                .flat_map(|m| [m.mean(), m.deviation()]),
        );
    }
}

/// Brightness and its deviation on a 3 x 3 grid, and the mean of the outermost ring.
fn layout(grey: &Plane, row: &mut Vec<f64>) {
    let mut cells = [Moments::default(); 9];
    let mut ring = Moments::default();
    for (i, &v) in grey.data.iter().enumerate() {
        let (y, x) = (i / grey.width, i % grey.width);
        cells[y * 3 / grey.height * 3 + x * 3 / grey.width].add(f64::from(v));
        if y == 0 || x == 0 || y + 1 == grey.height || x + 1 == grey.width {
            ring.add(f64::from(v));
        }
    }
    row.extend(cells.iter().flat_map(|m| [m.mean(), m.deviation()]));
    row.push(ring.mean());
}

/// Edge strength at four scales, orientations at the finest, and how much stronger steps are across a grid of 8 pixels.
fn edges(grey: &Plane, row: &mut Vec<f64>) {
    let mut orientations = [0.0; 8];
    for (dx, dy) in grey.gradients() {
        let angle = dy.atan2(dx).rem_euclid(std::f64::consts::PI) / std::f64::consts::PI;
        orientations[((angle * 8.0) as usize).min(7)] += dx.hypot(dy);
    }
    let total = orientations.iter().sum::<f64>().max(1e-9);
    row.extend(orientations.map(|strength| strength / total));

    let (mut at_block, mut elsewhere) = (Moments::default(), Moments::default());
    for (i, pair) in grey.data.windows(2).enumerate() {
        let x = i % grey.width;
        if x + 1 < grey.width {
            let step = f64::from((pair[1] - pair[0]).abs());
            if x % 8 == 7 {
                at_block.add(step);
            } else {
                elsewhere.add(step);
            }
        }
    }
    row.push((at_block.mean() + 1.0) / (elsewhere.mean() + 1.0));

    let mut scale = None;
    for level in 0..4 {
        if level > 0 {
            let coarser = scale.as_ref().unwrap_or(grey).halved();
            scale = coarser.or(scale);
        }
        let plane = scale.as_ref().unwrap_or(grey);
        let horizontal = Moments::of(plane.gradients().map(|g| g.0.abs()));
        let vertical = Moments::of(plane.gradients().map(|g| g.1.abs()));
        let strength = Moments::of(plane.gradients().map(|g| g.0.hypot(g.1)));
        row.extend([horizontal.mean(), vertical.mean(), strength.deviation()]);
    }
}

/// Class areas; of everything but class 0: position, spread, extent, number of regions, and outline length.
fn regions(labels: &LabelMap, classes: usize, row: &mut Vec<f64>) {
    let (height, width) = (labels.height(), labels.width());
    let area = (height * width) as f64;
    let mut counts = vec![0.0; classes + 1];
    let (mut ys, mut xs) = (Moments::default(), Moments::default());
    let (mut top, mut bottom, mut left, mut right) = (1.0f64, 0.0f64, 1.0f64, 0.0f64);
    let mut outline = 0.0;
    for (i, &label) in labels.data().iter().enumerate() {
        // The last slot counts ignored pixels and ids beyond the table.
        counts[usize::from(label).min(classes)] += 1.0 / area;
        let (y, x) = (i / width, i % width);
        if x + 1 < width && labels.data()[i + 1] != label {
            outline += 1.0;
        }
        if y + 1 < height && labels.data()[i + width] != label {
            outline += 1.0;
        }
        if label != 0 && label != IGNORE {
            let (y, x) = (y as f64 / height as f64, x as f64 / width as f64);
            ys.add(y);
            xs.add(x);
            (top, bottom, left, right) = (top.min(y), bottom.max(y), left.min(x), right.max(x));
        }
    }
    row.extend(counts);
    row.extend([
        ys.mean(),
        xs.mean(),
        ys.deviation(),
        xs.deviation(),
        top,
        bottom,
        left,
        right,
    ]);
    row.push((components(labels) as f64).ln_1p());
    row.push(outline / area.sqrt());
}

/// Number of 4-connected regions that are neither class 0 nor ignored.
fn components(labels: &LabelMap) -> usize {
    let (width, data) = (labels.width(), labels.data());
    let mut seen = vec![false; data.len()];
    let mut stack = Vec::new();
    let mut count = 0;
    for start in 0..data.len() {
        if seen[start] || data[start] == 0 || data[start] == IGNORE {
            continue;
        }
        count += 1;
        seen[start] = true;
        stack.push(start);
        while let Some(i) = stack.pop() {
            let x = i % width;
            let neighbours = [
                (x > 0).then(|| i - 1),
                (x + 1 < width).then_some(i + 1),
                i.checked_sub(width),
                (i + width < data.len()).then_some(i + width),
            ];
            for j in neighbours.into_iter().flatten() {
                if !seen[j] && data[j] == data[start] {
                    seen[j] = true;
                    stack.push(j);
                }
            }
        }
    }
    count
}

/// How the foreground differs from class 0 in colour and brightness, and how strong edges are along the outline.
fn contrast(image: &Image, grey: &Plane, labels: &LabelMap, row: &mut Vec<f64>) {
    let plane = image.height() * image.width();
    let sides = |values: &mut dyn Iterator<Item = f64>| {
        let mut moments = [Moments::default(); 2];
        for (value, &label) in values.zip(labels.data()) {
            if label != IGNORE {
                moments[usize::from(label != 0)].add(value);
            }
        }
        // Without both sides there is no contrast.
        if moments.iter().any(|m| m.n == 0.0) {
            return [0.0; 2];
        }
        [
            moments[1].mean() - moments[0].mean(),
            moments[1].deviation() - moments[0].deviation(),
        ]
    };
    for channel in image.data().chunks_exact(plane) {
        row.extend(sides(&mut channel.iter().map(|&v| f64::from(v))));
    }
    let mut along = Moments::default();
    for i in 0..plane {
        let x = i % grey.width;
        if x + 1 < grey.width && labels.data()[i] != labels.data()[i + 1] {
            along.add(f64::from((grey.data[i + 1] - grey.data[i]).abs()));
        }
    }
    row.push(along.mean());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redmask_core::{GroupId, SampleId};

    use super::*;

    fn sample(channels: usize, height: usize, width: usize, value: u8, labels: Vec<u8>) -> Sample {
        Sample {
            id: SampleId::new("x", "0"),
            group: GroupId("0".to_owned()),
            image: Image::new(
                channels,
                height,
                width,
                vec![value; channels * height * width],
            ),
            labels: LabelMap::new(height, width, labels),
            instances: None,
            attributes: BTreeMap::new(),
        }
    }

    #[test]
    fn records_of_any_size_line_up_and_are_finite() {
        let lengths: Vec<usize> = [(1, 1), (1, 9), (7, 3), (16, 16)]
            .into_iter()
            .map(|(h, w)| {
                let row = describe(&sample(3, h, w, 9, vec![IGNORE; h * w]), 4);
                assert!(row.iter().all(|v| v.is_finite()), "{h}x{w}");
                row.len()
            })
            .collect();
        assert!(lengths.windows(2).all(|l| l[0] == l[1]), "{lengths:?}");
    }

    #[test]
    fn regions_are_counted_by_class_and_connection() {
        let labels = LabelMap::new(3, 4, vec![1, 1, 0, 2, 0, 0, 0, 2, 1, 2, 0, IGNORE]);
        assert_eq!(components(&labels), 4);
    }

    #[test]
    fn constant_columns_fall_out() {
        let rows = standardise(vec![vec![1.0, 5.0], vec![3.0, 5.0]]);
        assert_eq!(rows, vec![vec![-1.0, 0.0], vec![1.0, 0.0]]);
    }
}
