//! Runs each cell in a process of its own, with a time limit, and prints the table.

use std::io::Read;
use std::process::{ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::driver::{self, Driver};
use crate::process::{SKIPPED, role};
use crate::scenario::{self, Scenario};

/// What became of a cell.
enum Cell {
    Passed {
        took: Duration,
        figure: String,
    },
    Skipped {
        reason: String,
    },
    Failed {
        why: String,
    },
    /// Nobody asked for it.
    Left,
}

/// Runs all cells that have each of the words in their names, or all if there are none. Options
/// of libtest, which begin with `-`, mean nothing here.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    let words: Vec<_> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let mut rows = Vec::new();
    for scenario in scenario::ALL {
        let row = driver::ALL.iter().map(|driver| {
            let asked = words.iter().all(|w| scenario.name.contains(**w) || driver.name == **w);
            if asked { watch(scenario, driver) } else { Cell::Left }
        });
        rows.push((scenario, row.collect::<Vec<_>>()));
    }
    print(&rows);
    let failed = rows.iter().flat_map(|(_, row)| row);
    match failed.filter(|cell| matches!(cell, Cell::Failed { .. })).count() {
        0 => ExitCode::SUCCESS,
        count => {
            println!("{count} cells failed");
            ExitCode::FAILURE
        }
    }
}

fn watch(scenario: &Scenario, driver: &Driver) -> Cell {
    let begin = Instant::now();
    let cell = attempt(scenario, driver);
    let took = begin.elapsed().as_secs_f64();
    let name = format!("{} on {}", scenario.name, driver.name);
    match &cell {
        Cell::Passed { figure, .. } => println!("{name}: ok, {took:.2} s {figure}"),
        Cell::Skipped { reason } => println!("{name}: not run: {reason}"),
        Cell::Failed { why } => println!("{name}: FAILED after {took:.2} s\n{why}"),
        Cell::Left => {}
    }
    cell
}

/// Runs one cell, and ends it when its time is up.
fn attempt(scenario: &Scenario, driver: &Driver) -> Cell {
    let mut command = role(&["cell", scenario.name, driver.name]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begin = Instant::now();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Cell::Failed { why: error.to_string() },
    };
    let (sender, read) = mpsc::channel();
    let errors = child.stderr.take();
    let output = child.stdout.take();
    // It has ended when nobody holds its output any more.
    let errors = thread::spawn(move || text(errors));
    thread::spawn(move || sender.send(text(output)));
    let output = read.recv_timeout(scenario.limit);
    let took = begin.elapsed();
    let _ = child.kill();
    let status = child.wait();
    match (output, status) {
        (Err(RecvTimeoutError::Timeout), _) => {
            let said = errors.join().unwrap_or_default();
            Cell::Failed { why: format!("not done after {:?}: {said}", scenario.limit) }
        }
        (Ok(figure), Ok(status)) if status.success() => Cell::Passed { took, figure },
        (Ok(reason), Ok(status)) if status.code() == Some(SKIPPED.into()) => {
            Cell::Skipped { reason }
        }
        (_, status) => {
            let said = errors.join().unwrap_or_default();
            Cell::Failed { why: format!("{status:?}: {said}") }
        }
    }
}

fn text(output: Option<impl Read>) -> String {
    let mut all = Vec::new();
    if let Some(mut output) = output {
        let _ = output.read_to_end(&mut all);
    }
    String::from_utf8_lossy(&all).trim().to_owned()
}

/// The table in Markdown, as docs/embedding.md has it.
fn print(rows: &[(&Scenario, Vec<Cell>)]) {
    println!("\n| scenario | {} |", names().join(" | "));
    println!("| --- |{}", " --- |".repeat(driver::ALL.len()));
    for (scenario, row) in rows.iter().filter(|(_, row)| !row.iter().all(is_left)) {
        let cells: Vec<_> = row.iter().map(show).collect();
        println!("| {} | {} |", scenario.name, cells.join(" | "));
    }
    println!();
}

fn names() -> Vec<&'static str> {
    driver::ALL.iter().map(|driver| driver.name).collect()
}

const fn is_left(cell: &Cell) -> bool {
    matches!(cell, Cell::Left)
}

fn show(cell: &Cell) -> String {
    match cell {
        Cell::Passed { took, figure } if figure.is_empty() => {
            format!("ok {:.2} s", took.as_secs_f64())
        }
        Cell::Passed { took, figure } => format!("ok {:.2} s, {figure}", took.as_secs_f64()),
        Cell::Skipped { .. } => "not run".to_owned(),
        Cell::Failed { .. } => "FAILED".to_owned(),
        Cell::Left => String::new(),
    }
}
