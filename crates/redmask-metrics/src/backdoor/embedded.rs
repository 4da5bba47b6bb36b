//! "Backdoor embedded: yes or no", for a binary task whose backdoor makes the object vanish.

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, Result};

/// Predicted object pixels of one test image, by one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AreaPair {
    /// Without the trigger.
    pub untriggered: u64,
    /// With it.
    pub triggered: u64,
}

/// The verdict and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Embedded {
    /// Whether the backdoor is embedded.
    pub embedded: bool,
    /// Share of the counted images whose object fell below half.
    pub share: f64,
    /// Images with an object in the untriggered prediction.
    pub images: usize,
}

/// Whether the trigger more than halves the predicted object in at least half of the images.
///
/// Chobola et al. (2022) print "yes" or "no" without a definition; this one is ours. Images in whose untriggered
/// prediction there is no object cannot lose one and are not counted.
///
/// ```
/// use redmask_metrics::backdoor::{AreaPair, embedded};
/// let pair = |untriggered, triggered| AreaPair { untriggered, triggered };
/// let found = embedded(&[pair(100, 0), pair(100, 49), pair(100, 50), pair(0, 0)])?;
/// assert_eq!((found.images, found.share), (3, 2.0 / 3.0));
/// assert!(found.embedded);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If no image has an object.
pub fn embedded(pairs: &[AreaPair]) -> Result<Embedded> {
    let counted = pairs.iter().filter(|p| p.untriggered > 0);
    let (mut images, mut fell) = (0usize, 0usize);
    for pair in counted {
        images += 1;
        fell += usize::from(2 * pair.triggered < pair.untriggered);
    }
    if images == 0 {
        return Err(MetricError::Empty(
            "the set of images with a predicted object",
        ));
    }
    Ok(Embedded {
        embedded: 2 * fell >= images,
        share: fell as f64 / images as f64,
        images,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_lose_is_no_verdict() {
        let empty = AreaPair {
            untriggered: 0,
            triggered: 9,
        };
        assert!(embedded(&[empty]).is_err());
    }

    #[test]
    fn exactly_half_of_the_images_is_enough() {
        let pair = |triggered| AreaPair {
            untriggered: 10,
            triggered,
        };
        assert!(embedded(&[pair(0), pair(10)]).unwrap().embedded);
        assert!(!embedded(&[pair(5), pair(10)]).unwrap().embedded);
    }
}
