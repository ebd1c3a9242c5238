//! A table of ratios, line by line as they come.

use crate::plan::Plan;
use crate::turns::{Outcome, Work, measure};

pub(crate) struct Table<'a> {
    plan: &'a Plan,
    /// Medians of all lines.
    ratios: Vec<f64>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Table { plan, ratios: Vec::new() }
    }

    /// Measures a row and prints it, if it is wanted.
    pub(crate) fn row<W: Work>(&mut self) {
        if !self.plan.wants(W::NAME) {
            return;
        }
        for &workers in self.plan.workers {
            measure::<W>(workers, self.plan.quick).iter().for_each(|outcome| self.print(outcome));
        }
    }

    fn print(&mut self, outcome: &Outcome) {
        if self.ratios.is_empty() {
            println!(
                "\n| {:42} | workers | {:17} | preempt | tokio | tokio / preempt | smol / preempt |",
                "", "unit"
            );
            println!("|---|---|---|---|---|---|---|");
        }
        let Outcome { name, unit, workers, preempt, tokio, to_tokio, to_smol } = outcome;
        let smol = to_smol.map_or("-".to_owned(), |ratio| format!("{:.2}", ratio.median));
        println!(
            "| {name:42} | {workers} | {unit:17} | {preempt:.1} | {tokio:.1} | **{:.2}** ({:.2}..{:.2}) | {smol} |",
            to_tokio.median, to_tokio.min, to_tokio.max
        );
        self.ratios.push(to_tokio.median);
    }

    pub(crate) fn print_mean(&self) {
        let count = self.ratios.len();
        if count == 0 {
            return;
        }
        let mean = self.ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count as f64;
        println!("\nGeometric mean of {count} medians of tokio / preempt: {:.2}", mean.exp());
    }
}
