//! Quantiles of a sample.

/// The quantiles at `levels` (ascending, in `[0, 1]`) by linear interpolation between order statistics, numpy's
/// default. Reorders `values`.
///
/// # Panics
/// If `values` is empty or a level lies outside `[0, 1]` or out of order.
pub(crate) fn quantiles<const N: usize>(values: &mut [f32], levels: [f64; N]) -> [f64; N] {
    assert!(!values.is_empty(), "a quantile needs a value");
    let last = (values.len() - 1) as f64;
    let mut settled = 0;
    levels.map(|level| {
        assert!((0.0..=1.0).contains(&level), "a quantile level is a share");
        let position = level * last;
        let index = position.floor() as usize;
        // Selections at ascending ranks leave smaller values to their left, so each searches only the rest.
        let (_, &mut low, above) =
            values[settled..].select_nth_unstable_by(index - settled, f32::total_cmp);
        let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
        settled = index;
        let fraction = position - index as f64;
        f64::from(low) + (f64::from(high) - f64::from(low)) * fraction
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_interpolation_as_numpy() {
        let mut values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(
            quantiles(&mut values, [0.0, 0.5, 0.75, 1.0]),
            [1.0, 2.5, 3.25, 4.0]
        );
        assert_eq!(quantiles(&mut [7.0], [0.5, 0.99]), [7.0, 7.0]);
    }
}
