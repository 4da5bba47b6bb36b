//! What a defence takes from the attack, against what it takes from the model. After BackdoorBench (Wu et al. 2022), with
//! the sign that its text states and its code has wrong.

use crate::error::{Result, fraction};

/// Defence effectiveness rating, `(max(0, drop in ASR) - max(0, drop in CBA) + 1) / 2`: 1 if the whole attack went and
/// nothing else, 0.5 if nothing changed, 0 if only the model suffered. Arguments are (before, after).
///
/// ```
/// use redmask_metrics::backdoor::defence_effectiveness;
/// // ASR from 0.9 to 0.1, mIoU from 0.7 to 0.6: (0.8 - 0.1 + 1) / 2.
/// assert!((defence_effectiveness((0.9, 0.1), (0.7, 0.6))? - 0.85).abs() < 1e-12);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If an argument is outside `[0, 1]`.
pub fn defence_effectiveness(asr: (f64, f64), cba: (f64, f64)) -> Result<f64> {
    let gain = fraction("ASR before", asr.0)? - fraction("ASR after", asr.1)?;
    rating(gain, cba)
}

/// Recovery rating, `(max(0, rise in residual victim rate) - max(0, drop in CBA) + 1) / 2`: unlike
/// [`defence_effectiveness`] it asks that attacked pixels be *right* again, not merely not the target.
///
/// ```
/// use redmask_metrics::backdoor::recovery;
/// // The attack is gone, but the pixels became a third class: nothing was recovered.
/// assert_eq!(recovery((0.05, 0.05), (0.7, 0.7))?, 0.5);
/// assert!((recovery((0.05, 0.85), (0.7, 0.6))? - 0.85).abs() < 1e-12);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If an argument is outside `[0, 1]`.
pub fn recovery(residual: (f64, f64), cba: (f64, f64)) -> Result<f64> {
    let before = fraction("residual victim rate before", residual.0)?;
    let gain = fraction("residual victim rate after", residual.1)? - before;
    rating(gain, cba)
}

fn rating(gain: f64, cba: (f64, f64)) -> Result<f64> {
    let cost = fraction("CBA before", cba.0)? - fraction("CBA after", cba.1)?;
    Ok(f64::midpoint(gain.max(0.0) - cost.max(0.0), 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extremes() {
        assert_eq!(defence_effectiveness((1.0, 0.0), (0.5, 0.5)), Ok(1.0));
        assert_eq!(defence_effectiveness((0.5, 0.5), (1.0, 0.0)), Ok(0.0));
        // A worse attack and a better model are no credit and no debit.
        assert_eq!(defence_effectiveness((0.2, 0.9), (0.5, 0.6)), Ok(0.5));
        assert!(defence_effectiveness((1.2, 0.0), (0.5, 0.5)).is_err());
        assert!(recovery((0.0, f64::NAN), (0.5, 0.5)).is_err());
    }
}
