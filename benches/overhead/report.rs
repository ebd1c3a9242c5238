//! The tables.

use crate::gaps::Gaps;
use crate::timing::Cost;

pub(crate) struct Row {
    pub(crate) kernel: &'static str,
    pub(crate) cost: Cost,
    pub(crate) gaps: Gaps,
}

pub(crate) fn print_set(set: &str, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    println!(
        "\n{:18} {:>9} | {:>9} {:>7} | {:>7} {:>7} | {:>7} | {:>9} {:>9} {:>9} {:>9}",
        format!("{set} set"),
        "plain us",
        "annotated",
        "median",
        "control",
        "median",
        "layouts",
        "checks/ms",
        "p50 us",
        "p99 us",
        "max us"
    );
    for row in rows {
        print_row(row);
    }
    println!("{}", "-".repeat(123));
    print_summary("geometric mean", rows, geometric_mean);
    print_summary("worst", rows, |ratios| ratios.iter().copied().fold(0.0, f64::max));
    print_summary("least", rows, |ratios| ratios.iter().copied().fold(f64::INFINITY, f64::min));
}

fn print_row(Row { kernel, cost, gaps }: &Row) {
    println!(
        "{kernel:18} {:9.2} | {:9.3} {:7.3} | {:7.3} {:7.3} | {:7.3} | {:9.0} {:9.3} {:9.3} {:9.3}",
        cost.plain_us,
        cost.annotated,
        cost.median,
        cost.control,
        cost.control_median,
        cost.layouts,
        gaps.checks_per_call as f64 / cost.annotated_us * 1e3,
        gaps.p50_us,
        gaps.p99_us,
        gaps.max_us
    );
}

fn print_summary(name: &str, rows: &[Row], summary: impl Fn(&[f64]) -> f64) {
    let of = |ratio: fn(&Cost) -> f64| {
        summary(&rows.iter().map(|row| ratio(&row.cost)).collect::<Vec<_>>())
    };
    println!(
        "{name:28} | {:9.3} {:7.3} | {:7.3} {:7.3} | {:7.3} |",
        of(|cost| cost.annotated),
        of(|cost| cost.median),
        of(|cost| cost.control),
        of(|cost| cost.control_median),
        of(|cost| cost.layouts)
    );
}

fn geometric_mean(ratios: &[f64]) -> f64 {
    (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp()
}
