//! Round numbers for axes.

/// Multiples of 1, 2 or 5 times a power of ten within `from..=to`: `about` of them, or fewer.
pub(super) fn ticks(from: f64, to: f64, about: usize) -> Vec<f64> {
    let span = to - from;
    if span <= 0.0 || !span.is_finite() {
        return vec![from];
    }
    let rough = span / about.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power);
    let step = step.into_iter().find(|s| *s >= rough * 0.999).unwrap_or(power * 10.0);
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

/// With as many decimals as these ticks need, and spaces between thousands.
pub(super) fn label(value: f64, step: f64) -> String {
    let decimals = if step <= 0.0 || step >= 1.0 { 0 } else { (-step.log10()).ceil() as usize };
    let text = format!("{:.*}", decimals.min(6), value.abs());
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(a, b)| (a, b));
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 && whole.len() > 4 {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    if rest.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{rest}") }
}

/// A value with its unit chosen by size: seconds.
pub(super) fn seconds(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v < 1e-3 => format!("{:.0} \u{b5}s", value * 1e6),
        v if v < 0.0995 => format!("{:.1} ms", value * 1e3),
        v if v < 0.9995 => format!("{:.0} ms", value * 1e3),
        v if v < 100.0 => format!("{value:.2} s"),
        _ => format!("{value:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.0, 1.3, 6).len(), 3);
        assert_eq!(ticks(3.0, 3.0, 6), [3.0]);
        assert_eq!(label(0.25, 0.05), "0.25");
        assert_eq!(label(12_000.0, 2_000.0), "12\u{2009}000");
        assert_eq!(seconds(0.0123), "12.3 ms");
        assert_eq!(seconds(1.5), "1.50 s");
    }
}
