//! What a run has found, as data and as tables.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};

use crate::measure::growth::Level;
use crate::measure::messages::Comparison;
use crate::measure::primitives::Primitives;
use crate::measure::queue::Queue;
use crate::measure::setups::Setups;

/// All figures of a run; what was left out is empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) primitives: Option<Primitives>,
    pub(crate) messages: Vec<Comparison>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) setups: Vec<Setups>,
    pub(crate) growth: Vec<Level>,
}

/// A table with the first column to the left and figures to the right.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Single messages.
pub(crate) fn messages(all: &[Comparison]) -> Table {
    let header = [
        "size, senders",
        "floor/s",
        "ours/s",
        "ratio",
        "p50 µs",
        "floor's",
        "ratio",
        "p99",
        "p99.9",
        "CPU µs",
        "floor's",
    ];
    table(
        header,
        all.iter().map(|one| {
            let (ours, floor) = (&one.ours, &one.floor);
            [
                format!("{} B, {}", one.size, one.senders),
                format!("{:.0}", floor.per_second),
                format!("{:.0}", ours.per_second),
                format!("{:.2}", one.rate_ratio),
                format!("{:.0}", ours.latency.p50),
                format!("{:.0}", floor.latency.p50),
                format!("{:.2}", one.p50_ratio),
                format!("{:.0}", ours.latency.p99),
                format!("{:.0}", ours.latency.p999),
                format!("{:.1}", ours.cpu_us),
                format!("{:.1}", floor.cpu_us),
            ]
        }),
    )
}

/// Session set-ups.
pub(crate) fn setups(all: &[Setups]) -> Table {
    let header = [
        "suite",
        "primitives µs",
        "CPU µs",
        "ratio",
        "p50 µs",
        "p99",
        "p99.9",
        "floor's trip",
        "set-ups/s",
        "CPU µs, busy",
    ];
    table(
        header,
        all.iter().map(|one| {
            [
                one.suite.to_string(),
                format!("{:.0}", one.primitives_us),
                format!("{:.0}", one.cpu_us),
                format!("{:.2}", one.cpu_us / one.primitives_us),
                format!("{:.0}", one.latency.p50),
                format!("{:.0}", one.latency.p99),
                format!("{:.0}", one.latency.p999),
                format!("{:.0}", one.round_trip_us),
                format!("{:.0}", one.per_second),
                format!("{:.0}", one.busy_cpu_us),
            ]
        }),
    )
}

/// Queues over one session.
pub(crate) fn queues(all: &[Queue]) -> Table {
    let header = [
        "size",
        "batch",
        "floor single/s",
        "floor batched/s",
        "ours/s",
        "by single",
        "by batched",
        "CPU µs",
        "floor's",
        "AEAD µs",
        "by AEAD",
    ];
    table(
        header,
        all.iter().map(|one| {
            [
                format!("{} B", one.size),
                one.batch.to_string(),
                format!("{:.0}", one.floor_single),
                format!("{:.0}", one.floor_batched),
                format!("{:.0}", one.ours),
                format!("{:.1}", one.single_ratio),
                format!("{:.2}", one.batched_ratio),
                format!("{:.2}", one.cpu_us),
                format!("{:.2}", one.floor_cpu_us),
                format!("{:.3}", one.aead_us),
                format!("{:.1}", one.aead_ratio),
            ]
        }),
    )
}

/// Growing numbers of live sessions.
pub(crate) fn growth(all: &[Level]) -> Table {
    let header =
        ["sessions", "resident KiB", "bytes each", "CPU µs", "with one session", "ratio", "set-ups/s"];
    table(
        header,
        all.iter().map(|one| {
            [
                one.sessions.to_string(),
                one.resident_kib.to_string(),
                format!("{:.0}", one.bytes_by_session),
                format!("{:.1}", one.cpu_us),
                format!("{:.1}", one.lone_cpu_us),
                format!("{:.2}", one.cost_ratio),
                format!("{:.0}", one.setups_per_second),
            ]
        }),
    )
}
