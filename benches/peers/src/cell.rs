//! One cell of a table: one row of one peer, once, in a process of its own.
//!
//! So a peer that does not come up, hangs or takes the harness down with it costs its own figures and
//! no others, and what it has left running is ended with its process group.

use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::results::Sample;
use crate::row::{Row, Times};

/// The first argument of the process that measures a cell.
pub(crate) const ARGUMENT: &str = "--cell";
/// How long a cell may take; the longest here takes half a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures in a process of its own.
///
/// # Errors
/// What became of it instead of a sample.
pub(crate) fn measure(
    row: Row,
    peer: Peer,
    origin: SocketAddr,
    times: Times,
) -> Result<Sample, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let seconds = |duration: Duration| duration.as_secs_f64().to_string();
    let mut child = Command::new(this)
        .args([ARGUMENT, &row.letter().to_string(), peer.name(), &origin.to_string()])
        .args([seconds(times.warm_up), seconds(times.window)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let group = child.id();
    let limit = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < limit => thread::sleep(Duration::from_millis(20)),
            outcome => break outcome.ok().flatten(),
        }
    };
    // Nobody else is in it; mostly it is empty by now.
    let kill = format!("kill -KILL -{group} 2>/dev/null");
    let _ = Command::new("sh").args(["-c", &kill]).status();
    let _ = child.wait();
    let mut text = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut text).map_err(|error| error.to_string())?;
    }
    match status {
        Some(status) if status.success() => Ok(read(&text)),
        Some(status) => Err(format!("it ended with {status}")),
        None => Err(format!("it was not done after {PATIENCE:?}")),
    }
}

/// The process that measures: prints the sample. `arguments` are those behind [`ARGUMENT`].
///
/// # Errors
/// An argument is missing or wrong.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let [row, peer, origin, warm_up, window] = arguments else {
        return Err(format!("{ARGUMENT} is for this program itself"));
    };
    let row = Row::named(row).ok_or("which row?")?;
    let peer = Peer::named(peer).ok_or("which peer?")?;
    let origin = origin.parse().map_err(|_| "which origin?")?;
    let seconds = |text: &str| text.parse().map(Duration::from_secs_f64);
    let times = seconds(warm_up)
        .and_then(|warm_up| Ok(Times { warm_up, window: seconds(window)? }))
        .map_err(|_| "how long?")?;
    for (name, value) in row.measure(peer, origin, times) {
        println!("{name}\t{value}");
    }
    Ok(())
}

fn read(text: &str) -> Sample {
    let figure = |line: &str| {
        let (name, value) = line.split_once('\t')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_as_it_was_printed() {
        let text = "32, 0.1 %\t57.25\nanything else\nfailed\t0\n";
        assert_eq!(read(text), [("32, 0.1 %".to_owned(), 57.25), ("failed".to_owned(), 0.0)]);
    }
}
