//! Holds what was measured to `benches/budgets.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// The bench whose time is the unit of every budget.
pub(crate) const CALIBRATION: &str = "calibration";

/// One line of the table.
struct Line {
    name: String,
    nanos: f64,
    /// In calibration loops.
    ratio: f64,
    budget: f64,
}

/// Prints what this run measured beside its budget. Fails where one is broken, or has nothing that was measured.
pub(crate) fn judge(begun: SystemTime) -> ExitCode {
    let Some(unit) = median(CALIBRATION, begun) else {
        // Benches that only run to see whether they run measure nothing.
        return ExitCode::SUCCESS;
    };
    let filtered = std::env::args().skip(1).any(|arg| !arg.starts_with('-'));
    let mut lines = Vec::new();
    let mut unmeasured = Vec::new();
    for (name, budget) in budgets() {
        match median(&name, begun) {
            Some(nanos) => lines.push(Line {
                name,
                nanos,
                ratio: nanos / unit,
                budget,
            }),
            None => unmeasured.push(name),
        }
    }
    print(&lines, unit);
    let broken = lines.iter().any(|line| line.ratio > line.budget);
    if !filtered && !unmeasured.is_empty() {
        eprintln!("budgets without a bench: {}", unmeasured.join(", "));
        return ExitCode::FAILURE;
    }
    if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn budgets() -> BTreeMap<String, f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/budgets.toml");
    let text = std::fs::read_to_string(path).expect("benches/budgets.toml is there");
    toml::from_str(&text).expect("benches/budgets.toml holds a number for each bench")
}

/// The median of a bench in nanoseconds, if this run measured it.
fn median(name: &str, begun: SystemTime) -> Option<f64> {
    let path = estimates(name);
    let written = std::fs::metadata(&path).ok()?.modified().ok()?;
    if written < begun {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// Where criterion keeps a bench's figures: a folder for the group and one for the function, each with its slashes
/// made underscores.
fn estimates(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let folder = match name.split_once(": ") {
        Some((group, function)) => Path::new(group).join(function.replace('/', "_")),
        None => PathBuf::from(name.replace('/', "_")),
    };
    target
        .join("criterion")
        .join(folder)
        .join("new/estimates.json")
}

fn print(lines: &[Line], unit: f64) {
    println!("one calibration loop: {unit:.0} ns\n");
    println!("{:<34} {:>12} {:>8} {:>8}", "", "median", "loops", "budget");
    for line in lines {
        let Line {
            name,
            nanos,
            ratio,
            budget,
        } = line;
        let verdict = if ratio > budget { "  BROKEN" } else { "" };
        let micros = nanos / 1e3;
        println!("{name:<34} {micros:>9.2} µs {ratio:>8.2} {budget:>8.2}{verdict}");
    }
}
