//! What a run has found, as tables: for the screen, or in Markdown for the documents.

use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle, presets};

use crate::bars::{self, Bar};
use crate::criterion::Bench;
use crate::measure::growth::Level;
use crate::measure::messages::Comparison;
use crate::measure::others::{Client, Library};
use crate::measure::primitives::Primitives;
use crate::measure::queue::Queue;
use crate::measure::setups::Setups;
use crate::results::Results;

/// For the screen.
pub(crate) const SCREEN: TableStyle = presets::UTF8_FULL_CONDENSED;
/// For the documents.
pub(crate) const MARKDOWN: TableStyle = presets::ASCII_MARKDOWN;

/// One after the other, each under its title; what was not measured is left out.
pub(crate) fn all(results: &Results, style: TableStyle, title: impl Fn(&str) -> String) -> String {
    let mut sections = Vec::new();
    let mut add = |name: &str, is_there: bool, table: &dyn Fn() -> Table| {
        if is_there {
            sections.push(format!("{}\n{}\n", title(name), table()));
        }
    };
    let found = results;
    add("Primitives, one core", found.primitives.is_some(), &|| primitives(style, found.primitives.as_ref()));
    add("Single messages", !found.messages.is_empty(), &|| messages(style, &found.messages));
    add("A queue over one session", !found.queues.is_empty(), &|| queues(style, &found.queues));
    add("Session set-ups", !found.setups.is_empty(), &|| setups(style, &found.setups));
    add("Growth", !found.growth.is_empty(), &|| growth(style, &found.growth));
    add("reqwest against the floor, 1 KiB", !found.clients.is_empty(), &|| clients(style, &found.clients));
    add("Other protocols' libraries", !found.libraries.is_empty(), &|| libraries(style, &found.libraries));
    add("Criterion's benches", !found.criterion.is_empty(), &|| criterion(style, &found.criterion));
    let bars: Vec<_> = bars::bars(found).into_iter().filter(Bar::is_measured).collect();
    add("Bars", !bars.is_empty(), &|| bars::table(style, &bars));
    sections.join("\n")
}

/// A table with the first column to the left and figures to the right.
pub(crate) fn table<const N: usize>(
    style: TableStyle,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Single messages.
fn messages(style: TableStyle, all: &[Comparison]) -> Table {
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
        style,
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
fn setups(style: TableStyle, all: &[Setups]) -> Table {
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
        style,
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
fn queues(style: TableStyle, all: &[Queue]) -> Table {
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
        style,
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
fn growth(style: TableStyle, all: &[Level]) -> Table {
    let header =
        ["sessions", "resident KiB", "bytes each", "CPU µs", "with one session", "ratio", "set-ups/s"];
    table(
        style,
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

fn primitives(style: TableStyle, all: Option<&Primitives>) -> Table {
    let mut rows = Vec::new();
    if let Some(one) = all {
        for (name, micros) in [
            ("RSA-2048 PSS, sign", one.sign),
            ("RSA-2048 PSS, verify", one.verify),
            ("MODP-2048, key pair", one.modp_pair),
            ("MODP-2048, agreement", one.modp_agree),
            ("X25519, key pair", one.x25519_pair),
            ("X25519, agreement", one.x25519_agree),
            ("ML-KEM-768, key pair", one.kem_pair),
            ("ML-KEM-768, encapsulation", one.encapsulate),
            ("ML-KEM-768, decapsulation", one.decapsulate),
        ] {
            rows.push([name.to_owned(), format!("{micros:.1}")]);
        }
        let aead = |(size, micros): (&usize, &f64)| {
            [format!("AES-256-GCM, seal and open {size} B"), format!("{micros:.2}")]
        };
        rows.extend(one.aead.iter().map(aead));
    }
    table(style, ["primitive", "µs"], rows)
}

fn clients(style: TableStyle, all: &[Client]) -> Table {
    table(
        style,
        ["senders", "bare hyper/s", "reqwest/s", "ratio"],
        all.iter().map(|one| {
            [
                one.senders.to_string(),
                format!("{:.0}", one.floor),
                format!("{:.0}", one.reqwest),
                format!("{:.2}", one.ratio),
            ]
        }),
    )
}

fn libraries(style: TableStyle, all: &[Library]) -> Table {
    table(
        style,
        ["protocol", "session, both sides, µs", "1 KiB sealed and opened, µs"],
        all.iter()
            .map(|one| [one.name.clone(), format!("{:.0}", one.setup_us), format!("{:.2}", one.message_us)]),
    )
}

fn criterion(style: TableStyle, all: &[Bench]) -> Table {
    table(style, ["bench", "µs"], all.iter().map(|one| [one.name.clone(), format!("{:.2}", one.micros)]))
}
