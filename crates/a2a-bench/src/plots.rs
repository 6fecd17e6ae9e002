//! Plots of a run, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::failure::{Failure, OrFail};
use crate::measure::growth::Level;
use crate::measure::messages::Comparison;
use crate::measure::setups::Setups;
use crate::results::Results;
use crate::stats::as_f64;

/// Writes one file for each plot that the results have figures for. Their names, with what they show.
pub(crate) fn write(results: &Results, dir: &Path) -> Result<Vec<(&'static str, &'static str)>, Failure> {
    let all = [
        ("messages.svg", "Single messages of 1 KiB, by senders", senders(results)),
        ("sizes.svg", "Bytes/s of single messages with 8 senders, by size", sizes(results)),
        ("growth.svg", "CPU of both ends for a message, by live sessions", growth(results)),
    ];
    let mut written = Vec::new();
    for (name, title, plot) in all {
        if plot.series.iter().any(|series| !series.points.is_empty()) {
            draw(&dir.join(name), title, &plot).or_fail(|| name.to_owned())?;
            written.push((name, title));
        }
    }
    if !results.setups.is_empty() {
        let (name, title) = ("setups.svg", "A session set-up: its primitives, its CPU, its median time");
        draw_setups(&dir.join(name), title, results).or_fail(|| name.to_owned())?;
        written.push((name, title));
    }
    Ok(written)
}

/// Lines over a logarithmic axis, from 0 upwards.
struct Plot {
    x: &'static str,
    y: &'static str,
    series: Vec<Series>,
}

struct Series {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

fn senders(results: &Results) -> Plot {
    let ours = results.messages.iter().filter(|one| one.size == 1024);
    let of = |pick: fn(&Comparison) -> f64| {
        ours.clone().map(|one| (as_f64(one.senders as u64), pick(one))).collect()
    };
    let reqwest = results.clients.iter().map(|one| (as_f64(one.senders as u64), one.reqwest)).collect();
    Plot {
        x: "senders",
        y: "messages/s",
        series: vec![
            Series {
                name: "floor: bare hyper, no encryption of ours",
                points: of(|one| one.floor.per_second),
            },
            Series { name: "ours", points: of(|one| one.ours.per_second) },
            Series { name: "reqwest, no encryption of ours", points: reqwest },
        ],
    }
}

fn sizes(results: &Results) -> Plot {
    let eight = results.messages.iter().filter(|one| one.senders == 8);
    let of = |pick: fn(&Comparison) -> f64| {
        let bytes = |one| pick(one) * as_f64(one.size as u64) / 1e6;
        eight.clone().map(|one| (as_f64(one.size as u64), bytes(one))).collect()
    };
    Plot {
        x: "bytes of a message",
        y: "MB/s",
        series: vec![
            Series { name: "floor", points: of(|one| one.floor.per_second) },
            Series { name: "ours", points: of(|one| one.ours.per_second) },
        ],
    }
}

fn growth(results: &Results) -> Plot {
    let of = |pick: fn(&Level) -> f64| {
        results.growth.iter().map(|one| (as_f64(one.sessions as u64), pick(one))).collect()
    };
    Plot {
        x: "live sessions at one agent",
        y: "µs of CPU",
        series: vec![
            Series { name: "one session after the other", points: of(|one| one.cpu_us) },
            Series { name: "an agent with one session, in turns", points: of(|one| one.lone_cpu_us) },
        ],
    }
}

fn draw(path: &Path, title: &str, plot: &Plot) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (800, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let from = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let to = points().map(|point| point.0).fold(from * 2.0, f64::max);
    let top = points().map(|point| point.1).fold(0.0, f64::max) * HEADROOM;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d((from..to).log_scale(), 0.0..top)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(plot.x)
        .y_desc(plot.y)
        .x_label_formatter(&|x| round(*x))
        .y_label_formatter(&|y| format!("{y:.0}"));
    mesh.light_line_style(WHITE).draw()?;
    for (series, colour) in plot.series.iter().zip(COLOURS) {
        let line = LineSeries::new(series.points.iter().copied(), colour.stroke_width(2));
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2));
        chart.draw_series(line)?.label(series.name).legend(legend);
        let dots = series.points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
        chart.draw_series(dots)?;
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperRight).background_style(WHITE).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

/// A label for 1, 2 and 5 and their multiples by ten: the others have no room.
fn round(x: f64) -> String {
    let leading = x / 10_f64.powf(x.log10().floor());
    if [1.0, 2.0, 5.0].iter().any(|digit| (leading - digit).abs() < 0.01) {
        format!("{x:.0}")
    } else {
        String::new()
    }
}

/// Three bars for each suite.
fn draw_setups(path: &Path, title: &str, results: &Results) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (800, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let bars = |one: &Setups| [one.primitives_us, one.cpu_us, one.latency.p50].map(|micros| micros / 1e3);
    let top = results.setups.iter().flat_map(bars).fold(0.0, f64::max) * HEADROOM;
    let groups = i32::try_from(results.setups.len())?;
    let name = |at: &f64| {
        let suite = (0..).zip(&results.setups).find(|(group, _)| (f64::from(*group) + 0.5 - at).abs() < 0.1);
        suite.map_or_else(String::new, |(_, one)| one.suite.to_string())
    };
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..f64::from(groups), 0.0..top)?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().y_desc("ms").x_labels(2 * results.setups.len() + 1).x_label_formatter(&name);
    mesh.light_line_style(WHITE).draw()?;
    let series = ["sum of the primitives", "CPU of both sides", "median time, one at a time"];
    for ((at, label), colour) in (0_u8..).zip(series).zip(COLOURS) {
        let left = 0.14 + 0.24 * f64::from(at);
        let rectangles = (0..).zip(&results.setups).map(|(group, one)| {
            let x = f64::from(group) + left;
            Rectangle::new([(x, 0.0), (x + 0.22, bars(one)[usize::from(at)])], colour.filled())
        });
        let legend = move |(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 4)], colour.filled());
        chart.draw_series(rectangles)?.label(label).legend(legend);
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperRight).background_style(WHITE).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

/// Room for the legend.
const HEADROOM: f64 = 1.35;
const COLOURS: [RGBColor; 3] = [RGBColor(110, 110, 110), RGBColor(0, 90, 181), RGBColor(220, 110, 0)];
