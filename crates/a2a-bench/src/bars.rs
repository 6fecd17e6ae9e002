//! The bars: what a run has to show. Each is a ratio within one run.

use a2a_core::crypto::kx::Suite;
use comfy_table::{Table, TableStyle};

use crate::results::Results;
use crate::tables;

/// One bar, and how a run stands to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    what: String,
    unit: &'static str,
    found: Option<f64>,
    limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn at_least(limit: f64, what: impl Into<String>, found: Option<f64>) -> Self {
        Self { what: what.into(), unit: "x", found, limit: Limit::AtLeast(limit) }
    }

    fn at_most(limit: f64, what: impl Into<String>, found: Option<f64>) -> Self {
        Self { what: what.into(), unit: "x", found, limit: Limit::AtMost(limit) }
    }

    fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// Whether the run has looked at all.
    pub(crate) fn is_measured(&self) -> bool {
        self.found.is_some()
    }

    /// What has not been measured does not hold.
    pub(crate) fn holds(&self) -> bool {
        match (self.found, self.limit) {
            (Some(found), Limit::AtLeast(limit)) => found >= limit,
            (Some(found), Limit::AtMost(limit)) => found <= limit,
            (None, _) => false,
        }
    }
}

/// All of them.
pub(crate) fn bars(results: &Results) -> Vec<Bar> {
    let mut bars = messages(results);
    bars.extend(queue(results));
    bars.extend(Results::suites().flat_map(|suite| setups(results, suite)));
    bars.extend(growth(results));
    bars.extend(seed(results));
    bars
}

/// As a table.
pub(crate) fn table(style: TableStyle, bars: &[Bar]) -> Table {
    let rows = bars.iter().map(|bar| {
        let (word, limit) = match bar.limit {
            Limit::AtLeast(limit) => ("≥", limit),
            Limit::AtMost(limit) => ("≤", limit),
        };
        let figure = |figure: f64| match bar.unit {
            "x" => format!("{figure:.2}x"),
            unit => format!("{figure:.0} {unit}"),
        };
        let found = bar.found.map_or_else(|| "not measured".to_owned(), figure);
        let mark = if bar.holds() { "✓" } else { "✗" };
        [bar.what.clone(), found, format!("{word} {}", figure(limit)), mark.to_owned()]
    });
    tables::table(style, ["what", "found", "bar", ""], rows)
}

fn messages(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (senders, least) in [(1, 0.85), (8, 0.8), (64, 0.8)] {
        let one = results.message(1024, senders);
        let what = format!("1 KiB, {senders} senders: messages/s by the floor's");
        bars.push(Bar::at_least(least, what, one.map(|one| one.rate_ratio)));
        let what = format!("1 KiB, {senders} senders: p50 by the floor's");
        bars.push(Bar::at_most(1.2, what, one.map(|one| one.p50_ratio)));
    }
    for senders in [1, 8, 64] {
        let one = results.message(1024 * 1024, senders);
        let what = format!("1 MiB, {senders} senders: bytes/s by the floor's");
        bars.push(Bar::at_least(0.7, what, one.map(|one| one.rate_ratio)));
    }
    bars
}

fn queue(results: &Results) -> [Bar; 3] {
    let queue = results.queues.iter().find(|queue| queue.size == 1024);
    let single = queue.map(|queue| queue.single_ratio);
    let batched = queue.map(|queue| queue.batched_ratio);
    let aead = queue.map(|queue| queue.aead_ratio);
    [
        Bar::at_least(20.0, "queue of 1 KiB: messages/s by the floor's one by one", single),
        Bar::at_least(0.7, "queue of 1 KiB: messages/s by the floor's in such batches", batched),
        Bar::at_most(5.0, "queue of 1 KiB: CPU by raw AES-256-GCM", aead),
    ]
}

fn setups(results: &Results, suite: Suite) -> [Bar; 3] {
    let one = results.setups.iter().find(|one| one.suite == suite);
    let most = one.map_or(0.0, |one| one.primitives_us + 4.0 * one.round_trip_us);
    let possible = one.map(|one| one.per_second * one.busy_cpu_us / 2e6);
    [
        Bar::at_most(
            1.5,
            format!("{suite}: CPU by its primitives"),
            one.map(|one| one.cpu_us / one.primitives_us),
        ),
        Bar::at_most(most, format!("{suite}: p50"), one.map(|one| one.latency.p50)).in_unit("µs"),
        Bar::at_least(0.7, format!("{suite}: set-ups/s by 2 s / CPU"), possible),
    ]
}

fn growth(results: &Results) -> [Bar; 2] {
    let most = results.growth.iter().find(|level| level.sessions >= 10_000);
    [
        Bar::at_most(
            4096.0,
            "10,000 sessions: resident memory by session",
            most.map(|level| level.bytes_by_session),
        )
        .in_unit("bytes"),
        Bar::at_most(
            1.15,
            "10,000 sessions: message cost by one session's",
            most.map(|level| level.cost_ratio),
        ),
    ]
}

/// Against the seed, which took 2.1 s for a session and added 2 ms to a message.
fn seed(results: &Results) -> [Bar; 2] {
    let setup = results.setups.iter().find(|one| one.suite == Suite::Modp2048MlKem768);
    let message = results.message(1024, 1);
    // Faster than the floor is no overhead at all.
    let overhead = message.map(|one| (one.ours.latency.p50 - one.floor.latency.p50).max(1.0));
    [
        Bar::at_least(300.0, "set-up against the seed's 2.1 s", setup.map(|one| 2.1e6 / one.latency.p50)),
        Bar::at_least(
            40.0,
            "a message's overhead against the seed's 2 ms",
            overhead.map(|overhead| 2e3 / overhead),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_at_its_limit_and_not_beyond() {
        for (found, least, most) in [
            (Some(1.0), true, true),
            (Some(0.99), false, true),
            (Some(1.01), true, false),
            (None, false, false),
        ] {
            assert_eq!(Bar::at_least(1.0, "", found).holds(), least, "{found:?}");
            assert_eq!(Bar::at_most(1.0, "", found).holds(), most, "{found:?}");
        }
    }

    #[test]
    fn nothing_measured_is_nothing_shown() {
        let bars = bars(&Results::default());
        assert_eq!(bars.len(), 9 + 3 + 9 + 2 + 2);
        assert!(bars.iter().all(|bar| !bar.holds()));
    }
}
