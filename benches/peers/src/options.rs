//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::peer::Peer;
use crate::row::{Row, Times};

/// What `--help` and a wrong option show.
pub(crate) const USAGE: &str = "\
usage: benches/peers/run [options]
  --rounds N        rounds, each with every row and peer (default 5)
  --seconds S       how long one cell is measured (default 2, row h takes more)
  --warm-up S       how long its load runs before (default 0.7)
  --rows abc        rows, by letter (default all)
  --peers x,y       peers, by name (default all that are installed)
  --out FOLDER      where peers.md and peers.json go (default target/peers)
  --page FILE       also put the tables into this page, between its marks";

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) times: Times,
    pub(crate) rows: Vec<Row>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) out: PathBuf,
    pub(crate) page: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// Which of them is wrong.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            rounds: 5,
            times: Times { warm_up: Duration::from_millis(700), window: Duration::from_secs(2) },
            rows: Row::ALL.to_vec(),
            peers: Peer::ALL.to_vec(),
            out: PathBuf::from("target/peers"),
            page: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rounds" => options.rounds = number(&name, &value)?,
                "--seconds" => options.times.window = seconds(&name, &value)?,
                "--warm-up" => options.times.warm_up = seconds(&name, &value)?,
                "--rows" => options.rows = value.chars().map(row).collect::<Result<_, _>>()?,
                "--peers" => {
                    options.peers = value.split(',').map(peer).collect::<Result<_, _>>()?
                }
                "--out" => options.out = PathBuf::from(value),
                "--page" => options.page = Some(PathBuf::from(value)),
                _ => return Err(format!("there is no option {name}")),
            }
        }
        Ok(options)
    }
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    value.parse().map_err(|_| format!("{name} needs a number, not {value}"))
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("{name} needs seconds, not {value}"))
}

fn row(letter: char) -> Result<Row, String> {
    Row::named(letter.encode_utf8(&mut [0; 4])).ok_or_else(|| format!("there is no row {letter}"))
}

fn peer(name: &str) -> Result<Peer, String> {
    Peer::named(name).ok_or_else(|| format!("there is no peer {name}"))
}
