//! A histogram as text that HdrHistogram's own tools read and plot (`.hgrm`), and as points of a curve.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Steps for each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;
/// Microseconds of a millisecond, which is the unit of the file.
const US_PER_MS: f64 = 1e3;

/// The percentile distribution in milliseconds.
pub fn hgrm(histogram: &Histogram<u32>) -> String {
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut line = |value_us: u64, quantile: f64, count: u64| {
        let value = value_us as f64 / US_PER_MS;
        // Writing to a string does not fail.
        let _ = match quantile < 1.0 {
            true => writeln!(text, "{value:12.3} {quantile:2.12} {count:10} {:14.2}", 1.0 / (1.0 - quantile)),
            false => writeln!(text, "{value:12.3} {quantile:2.12} {count:10}"),
        };
    };
    let mut count = 0;
    for value in histogram.iter_quantiles(TICKS_PER_HALF) {
        count += value.count_since_last_iteration();
        line(value.value_iterated_to(), value.quantile_iterated_to(), count);
    }
    let ms = |us: f64| us / US_PER_MS;
    let (mean, deviation) = (ms(histogram.mean()), ms(histogram.stdev()));
    let max = ms(histogram.max() as f64);
    let total = histogram.len();
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {total:12}]");
    text
}

/// Points of the percentile curve: how many nines (0 for the 0th, 1 for the 90th, 2 for the 99th percentile),
/// and the time in milliseconds.
pub fn curve(histogram: &Histogram<u32>) -> Vec<(f64, f64)> {
    let most = (histogram.len().max(1) as f64).log10();
    let steps = 120;
    (0..=steps)
        .map(|step| {
            let nines = most * f64::from(step) / f64::from(steps);
            // The last of them is the slowest of all, which no share below 1 names.
            let quantile = if step == steps { 1.0 } else { 1.0 - 10f64.powf(-nines) };
            (nines, histogram.value_at_quantile(quantile) as f64 / US_PER_MS)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Histogram<u32> {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000, 3).expect("right");
        (1..=1_000).for_each(|us| histogram.record(us).expect("within the bounds"));
        histogram
    }

    #[test]
    fn a_distribution_is_written_as_the_tools_expect_it() {
        let text = hgrm(&histogram());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].split_whitespace().count(), 4);
        let rows: Vec<Vec<f64>> = lines[2..]
            .iter()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().expect("a number")).collect())
            .collect();
        assert_eq!(rows.first().expect("rows")[..3], [0.001, 0.0, 1.0]);
        assert_eq!(rows.last().expect("rows")[..], [1.0, 1.0, 1_000.0]);
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
        assert!(lines.last().expect("lines").contains("Total count    =         1000"));
    }

    #[test]
    fn the_curve_rises_to_the_slowest() {
        let curve = curve(&histogram());
        assert!(curve.is_sorted_by(|one, other| one.1 <= other.1));
        assert_eq!(curve.last().expect("points").1, 1.0);
        assert!((curve.last().expect("points").0 - 3.0).abs() < 1e-9);
    }
}
