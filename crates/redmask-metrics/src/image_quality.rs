//! How visible a change to an image is.

use redmask_core::Image;

use crate::error::{MetricError, Result};

/// The largest value of an 8-bit image.
const PEAK: f64 = 255.0;

/// Peak signal-to-noise ratio in dB, `10 log10(255^2 / mean squared difference)` over all values; infinite if the images
/// are equal.
///
/// ```
/// use redmask_core::Image;
/// use redmask_metrics::image_quality::psnr;
/// let a = Image::new(1, 1, 4, vec![10, 20, 30, 40]);
/// let b = Image::new(1, 1, 4, vec![12, 20, 30, 40]);
/// // The mean squared difference is 4 / 4.
/// assert!((psnr(&a, &b)? - 10.0 * (255.0f64 * 255.0).log10()).abs() < 1e-12);
/// assert_eq!(psnr(&a, &a)?, f64::INFINITY);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If the images differ in shape or are empty.
pub fn psnr(a: &Image, b: &Image) -> Result<f64> {
    same_shape(a, b)?;
    // At most 255^2 a value: no image is large enough to overflow.
    let squares: u64 = a
        .data()
        .iter()
        .zip(b.data())
        .map(|(&x, &y)| u64::from(x.abs_diff(y)).pow(2))
        .sum();
    Ok(10.0 * (PEAK * PEAK * a.data().len() as f64 / squares as f64).log10())
}

/// Share of pixels of which any channel differs: the area of a patch.
///
/// ```
/// use redmask_core::Image;
/// use redmask_metrics::image_quality::changed_share;
/// let a = Image::new(3, 1, 2, vec![1, 2, 1, 2, 1, 2]);
/// let b = Image::new(3, 1, 2, vec![1, 9, 1, 9, 1, 2]);
/// assert_eq!(changed_share(&a, &b)?, 0.5);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If the images differ in shape or are empty.
pub fn changed_share(a: &Image, b: &Image) -> Result<f64> {
    same_shape(a, b)?;
    let plane = a.height() * a.width();
    let changed = (0..plane)
        .filter(|i| (0..a.channels()).any(|c| a.data()[c * plane + i] != b.data()[c * plane + i]))
        .count();
    Ok(changed as f64 / plane as f64)
}

/// Side of the SSIM window, in pixels.
const WINDOW: usize = 11;
/// Standard deviation of its Gaussian, in pixels.
const SPREAD: f64 = 1.5;
/// `(0.01 * 255)^2`, keeps dark windows stable.
const C1: f64 = (0.01 * PEAK) * (0.01 * PEAK);
/// `(0.03 * 255)^2`, keeps flat windows stable.
const C2: f64 = (0.03 * PEAK) * (0.03 * PEAK);

/// Structural similarity (Wang et al. 2004): 11x11 Gaussian window of 1.5 pixels, K1 = 0.01, K2 = 0.03, averaged over the
/// places where the whole window fits and over channels. 1 for equal images, at least -1.
///
/// ```
/// use redmask_core::Image;
/// use redmask_metrics::image_quality::ssim;
/// // Two flat images: only the luminance term (2 x y + C1) / (x^2 + y^2 + C1) is left.
/// let (a, b) = (Image::new(1, 12, 12, vec![100; 144]), Image::new(1, 12, 12, vec![110; 144]));
/// let c1 = (0.01f64 * 255.0).powi(2);
/// assert!((ssim(&a, &b)? - (22000.0 + c1) / (22100.0 + c1)).abs() < 1e-9);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If the images differ in shape or a side is shorter than the window.
pub fn ssim(a: &Image, b: &Image) -> Result<f64> {
    same_shape(a, b)?;
    let (h, w) = (a.height(), a.width());
    if h < WINDOW || w < WINDOW {
        return Err(MetricError::OutOfDomain {
            what: "the shorter side of an image for SSIM",
            value: h.min(w) as f64,
            domain: "at least 11 pixels",
        });
    }
    let kernel = gaussian();
    let mut sum = 0.0;
    let planes = a
        .data()
        .chunks_exact(h * w)
        .zip(b.data().chunks_exact(h * w));
    for (x, y) in planes {
        let blurred = |value: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            let pairs = x.iter().zip(y);
            let plane: Vec<f64> = pairs
                .map(|(&x, &y)| value(f64::from(x), f64::from(y)))
                .collect();
            blur(&plane, h, w, &kernel)
        };
        let (mean_x, mean_y) = (blurred(&|x, _| x), blurred(&|_, y| y));
        let (square_x, square_y) = (blurred(&|x, _| x * x), blurred(&|_, y| y * y));
        let product = blurred(&|x, y| x * y);
        let places = mean_x.len();
        let total: f64 = (0..places)
            .map(|i| {
                let (mx, my) = (mean_x[i], mean_y[i]);
                let (vx, vy) = (square_x[i] - mx * mx, square_y[i] - my * my);
                let covariance = product[i] - mx * my;
                (2.0 * mx * my + C1) * (2.0 * covariance + C2)
                    / ((mx * mx + my * my + C1) * (vx + vy + C2))
            })
            .sum();
        sum += total / places as f64;
    }
    Ok(sum / a.channels() as f64)
}

fn gaussian() -> [f64; WINDOW] {
    let centre = (WINDOW / 2) as f64;
    let weights: [f64; WINDOW] = std::array::from_fn(|i| {
        let distance = (i as f64 - centre) / SPREAD;
        (-distance * distance / 2.0).exp()
    });
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// Separable convolution where the whole kernel fits: `[h - 10, w - 10]`.
fn blur(plane: &[f64], h: usize, w: usize, kernel: &[f64; WINDOW]) -> Vec<f64> {
    let (out_h, out_w) = (h - WINDOW + 1, w - WINDOW + 1);
    let mut rows = vec![0.0; h * out_w];
    for (from, to) in plane.chunks_exact(w).zip(rows.chunks_exact_mut(out_w)) {
        for (offset, &weight) in kernel.iter().enumerate() {
            for (to, &v) in to.iter_mut().zip(&from[offset..]) {
                *to += weight * v;
            }
        }
    }
    let mut out = vec![0.0; out_h * out_w];
    for (y, to) in out.chunks_exact_mut(out_w).enumerate() {
        for (offset, &weight) in kernel.iter().enumerate() {
            let from = &rows[(y + offset) * out_w..(y + offset + 1) * out_w];
            for (to, &v) in to.iter_mut().zip(from) {
                *to += weight * v;
            }
        }
    }
    out
}

fn same_shape(a: &Image, b: &Image) -> Result<()> {
    let shape = |i: &Image| [i.channels(), i.height(), i.width()];
    if shape(a) != shape(b) {
        return Err(MetricError::SizeMismatch {
            what: "two images to compare",
            left: format!("{:?}", shape(a)),
            right: format!("{:?}", shape(b)),
        });
    }
    if a.data().is_empty() {
        return Err(MetricError::Empty("the image"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_unlike_images_are_refused() {
        let (a, b) = (
            Image::new(1, 10, 20, vec![0; 200]),
            Image::new(1, 20, 10, vec![0; 200]),
        );
        assert!(ssim(&a, &a).is_err());
        assert!(psnr(&a, &b).is_err());
        assert!(changed_share(&Image::new(1, 0, 0, vec![]), &Image::new(1, 0, 0, vec![])).is_err());
    }
}
