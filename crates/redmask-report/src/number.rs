//! How numbers are written, the same in text, HTML and figures.

use crate::schema::{Measurement, Unit};

/// A narrow space that does not break, before units.
pub(crate) const THIN: char = '\u{202f}';

/// The typographic minus sign.
pub(crate) const MINUS: char = '\u{2212}';

/// How the numbers of one measurement are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A fraction as a percentage with one decimal.
    Percent,
    /// With so many decimals.
    Decimal(usize),
    /// Without decimals, thousands apart.
    Whole,
    /// Few significant digits over many magnitudes.
    Significant,
}

/// Fractions that the literature prints as decimals; the others are percentages.
const DECIMAL_METRICS: &[&str] = &[
    "auc",
    "auc_last_epochs",
    "auc_simultaneous",
    "advantage",
    "miou",
    "iou",
    "dice",
    "boundary_f1",
    "ssim",
];

impl Style {
    pub(crate) fn of(measurement: &Measurement) -> Self {
        Self::for_metric(measurement.unit, &measurement.name)
    }

    pub(crate) fn for_metric(unit: Unit, name: &str) -> Self {
        let metric = name.rsplit('.').next().unwrap_or(name);
        match unit {
            Unit::Fraction if !DECIMAL_METRICS.contains(&metric) => Self::Percent,
            Unit::Fraction | Unit::Epsilon => Self::Decimal(3),
            Unit::Difference => Self::Decimal(4),
            Unit::Ratio | Unit::Decibel => Self::Decimal(2),
            Unit::Count | Unit::Pixels => Self::Whole,
            Unit::Loss | Unit::Flops | Unit::Score => Self::Significant,
        }
    }

    /// The number without its unit.
    pub(crate) fn bare(self, value: f64) -> String {
        let text = match self {
            Self::Percent => format!("{:.1}", value * 100.0),
            Self::Decimal(digits) => format!("{value:.digits$}"),
            Self::Whole => thousands(value),
            Self::Significant => significant(value, 3),
        };
        with_minus(&text)
    }

    /// The number with its unit.
    pub(crate) fn full(self, value: f64) -> String {
        format!("{}{}", self.bare(value), self.suffix())
    }

    /// A difference of two such numbers, with its sign.
    pub(crate) fn signed(self, difference: f64) -> String {
        let text = self.bare(difference);
        if difference > 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0') {
            format!("+{text}")
        } else {
            text
        }
    }

    /// The unit, after a thin space.
    pub(crate) fn suffix(self) -> String {
        match self {
            Self::Percent => format!("{THIN}%"),
            Self::Decimal(_) | Self::Whole | Self::Significant => String::new(),
        }
    }

    /// `[low, high]` without the unit.
    pub(crate) fn interval(self, (low, high): (f64, f64)) -> String {
        format!("[{}, {}]", self.bare(low), self.bare(high))
    }
}

/// A value with its interval and unit: `0.810 [0.775, 0.842]`, `80.6 % [76.5, 84.2]`.
pub(crate) fn with_interval(measurement: &Measurement) -> String {
    let style = Style::of(measurement);
    let value = style.full(measurement.value);
    match measurement.bounds() {
        Some(bounds) => format!("{value} {}", style.interval(bounds)),
        None => value,
    }
}

/// `digits` significant digits; powers of ten where zeros would hide them.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if (-4..6).contains(&magnitude) {
        let decimals = (digits as i32 - 1 - magnitude).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        let text = format!("{value:.*e}", digits - 1);
        text.replace('e', "·10^")
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    if value < 0.0 {
        out.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push(THIN);
        }
        out.push(digit);
    }
    out
}

/// Replaces the hyphen, and drops it from a rounded zero.
fn with_minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) if !rest.chars().any(|c| c.is_ascii_digit() && c != '0') => rest.to_owned(),
        Some(rest) => format!("{MINUS}{rest}"),
        None => text.to_owned(),
    }
}

/// A share as a percentage with as few digits as tell it: `0.5 %`, `1 %`, `0.08 %`.
pub(crate) fn short_percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = if percent >= 10.0 {
        format!("{percent:.0}")
    } else if percent >= 1.0 {
        format!("{percent:.1}")
    } else {
        significant(percent, 2)
    };
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{THIN}%")
}

/// Seconds in the two largest units that apply: `4 min 10 s`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 10.0 => format!("{seconds:.1}{THIN}s"),
        0..60 => format!("{whole}{THIN}s"),
        60..3600 => format!("{}{THIN}min {}{THIN}s", whole / 60, whole % 60),
        _ => format!("{}{THIN}h {}{THIN}min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes in binary units.
pub(crate) fn bytes(bytes: u64) -> String {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    if gibibytes >= 1.0 {
        format!("{gibibytes:.1}{THIN}GiB")
    } else {
        format!("{:.0}{THIN}MiB", bytes as f64 / f64::from(1 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_percentages_and_areas_decimals() {
        let accuracy = Measurement::new("membership.loss.accuracy", Unit::Fraction, 0.8064)
            .interval(0.765, 0.842);
        assert_eq!(with_interval(&accuracy), "80.6\u{202f}% [76.5, 84.2]");
        let auc = Measurement::new("membership.loss.auc", Unit::Fraction, 0.8064);
        assert_eq!(with_interval(&auc), "0.806");
    }

    #[test]
    fn a_rounded_zero_has_no_sign() {
        assert_eq!(Style::Decimal(2).signed(-0.001), "0.00");
        assert_eq!(Style::Decimal(2).signed(0.001), "0.00");
        assert_eq!(Style::Percent.signed(-0.021), "\u{2212}2.1");
        assert_eq!(Style::Percent.signed(0.021), "+2.1");
    }

    #[test]
    fn small_and_large_numbers_stay_readable() {
        assert_eq!(significant(0.03125, 3), "0.0312");
        assert_eq!(significant(1.5e13, 2), "1.5·10^13");
        assert_eq!(Style::Whole.bare(26_214_400.0), "26\u{202f}214\u{202f}400");
        assert_eq!(short_percent(0.005), "0.5\u{202f}%");
        assert_eq!(short_percent(0.01), "1\u{202f}%");
        assert_eq!(short_percent(0.0008), "0.08\u{202f}%");
        assert_eq!(short_percent(1.0), "100\u{202f}%");
        assert_eq!(duration(250.0), "4\u{202f}min 10\u{202f}s");
    }
}
