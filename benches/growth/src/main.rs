//! What a request and a byte cost beside many open streams, and beside many tunnels.
//!
//! `benches/growth/run` calls it: `measure` runs one point and prints its cost; under callgrind the
//! same command has its instructions counted, of [`measured`] only. `draw` makes the pictures and the
//! table of `docs/scaling.md` of what was measured.

mod draw;
mod world;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use world::{Stream, World};

const USAGE: &str = "usage: sc-growth measure streams|tunnels request|byte N [ROUNDS]
       sc-growth draw RESULTS FOLDER";

/// Requests of a round; all streams and all tunnels have their turn, as far as that goes.
const REQUESTS: usize = 2048;
/// Bytes of a question, and of its answer.
const QUESTION: usize = 100;
const ANSWER: usize = 1024;
/// Bytes that a busy stream brings at once, when bytes are measured.
const BULK: usize = 256 * 1024;
/// How often one does so in a round.
const BULKS: usize = 32;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Streams,
    Tunnels,
}

impl Axis {
    /// How many streams are busy at a time. Those of one session share its records, so of many
    /// tunnels no more than one is.
    fn busy(self) -> usize {
        match self {
            Self::Streams => 8,
            Self::Tunnels => 1,
        }
    }
}

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Request,
    Byte,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["measure", axis, unit, count, ref rest @ ..] => {
            let axis = match axis {
                "streams" => Axis::Streams,
                "tunnels" => Axis::Tunnels,
                _ => return misused(),
            };
            let unit = match unit {
                "request" => Unit::Request,
                "byte" => Unit::Byte,
                _ => return misused(),
            };
            let rounds = rest.first().map_or(Ok(1), |rounds| rounds.parse());
            let (Ok(count), Ok(rounds)) = (count.parse(), rounds) else { return misused() };
            measure(axis, unit, count, rounds);
        }
        ["draw", results, folder] => {
            let results = fs::read_to_string(results).expect("the results");
            draw::page(&results, Path::new(folder));
        }
        _ => return misused(),
    }
    ExitCode::SUCCESS
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Runs one point; prints the units of a round and the median time of one in nanoseconds.
fn measure(axis: Axis, unit: Unit, count: usize, rounds: usize) {
    let mut world = World::new(if axis == Axis::Tunnels { count } else { 1 });
    let streams: Vec<Stream> = match axis {
        Axis::Streams => (0..count).map(|_| world.open(0)).collect(),
        Axis::Tunnels => (0..count).map(|tunnel| world.open(tunnel)).collect(),
    };
    // Windows and buffers reach their size first.
    round(&mut world, &streams, axis.busy(), unit);
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let begin = Instant::now();
            let units = measured(|| round(&mut world, &streams, axis.busy(), unit));
            begin.elapsed().as_secs_f64() * 1e9 / units as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let units = match unit {
        Unit::Request => REQUESTS,
        Unit::Byte => BULKS * BULK,
    };
    println!("{units} {}", times[times.len() / 2]);
}

/// One round; says how many units it had.
fn round(world: &mut World, streams: &[Stream], busy: usize, unit: Unit) -> usize {
    // Far from one another, so that all have their turn.
    let step = (streams.len() / busy).max(1);
    let chosen = |turn: usize| -> Vec<Stream> {
        (0..busy).map(|n| streams[(turn + n * step) % streams.len()]).collect()
    };
    match unit {
        Unit::Request => {
            let (question, answer) = (vec![1; QUESTION], vec![2; ANSWER]);
            for turn in 0..REQUESTS / busy {
                world.exchange(&chosen(turn), &question, &answer);
            }
            REQUESTS
        }
        Unit::Byte => {
            let bulk = vec![3; BULK];
            for turn in 0..BULKS / busy {
                world.exchange(&chosen(turn), b"?", &bulk);
            }
            BULKS * BULK
        }
    }
}

/// What is counted, found by its name.
#[inline(never)]
fn measured(mut round: impl FnMut() -> usize) -> usize {
    std::hint::black_box(round())
}
