//! `sc ready` and `sc wait`: is the tunnel of another process ready, now or before long?

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::life::{self, Life};
use crate::cli::{Exit, Oracle, Sign, Wait, Watched};
use crate::monitor::ask;

/// How long `sc ready` waits for an answer, as the original does.
const READY_PATIENCE: Duration = Duration::from_secs(2);
/// How long `sc wait` waits for one: the process's end must be noticed meanwhile.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);
/// A pid file may be of an earlier process that was killed: the new one gets so long to write its
/// own.
const STALE_PID_FILE: Duration = Duration::from_millis(700);

/// `sc ready`: whether the tunnel is ready now.
pub(crate) fn ready(oracle: &Oracle) -> Exit {
    match look(oracle, READY_PATIENCE) {
        Look::Ready => say("ready"),
        not_yet => {
            complain(&not_yet.to_string());
            Exit::Failed
        }
    }
}

/// `sc wait`: until it is ready, cannot be any more, or the time is over.
pub(crate) fn wait(wait: &Wait) -> Exit {
    match watch(wait) {
        Ok(()) => say("ready"),
        Err(vain) => {
            complain(&vain.to_string());
            Exit::Failed
        }
    }
}

/// What a look at a tunnel shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Look {
    Ready,
    /// It says that it is not.
    NotReady(String),
    /// Nobody answers.
    Silent(String),
    /// The file is not there.
    NoFile,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::NotReady(text) => write!(f, "not ready: {text}"),
            Self::Silent(error) => write!(f, "no answer: {error}"),
            Self::NoFile => f.write_str("the ready file is not there"),
        }
    }
}

/// Why waiting was in vain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Vain {
    /// The process has ended.
    #[error("the client (process {0}) has ended before its tunnel was ready; its output says why")]
    Ended(u32),
    /// Its pid file has gone, or nobody answers any more where somebody did.
    #[error("the client has ended before its tunnel was ready ({0}); its output says why")]
    Gone(&'static str),
    /// The time is over.
    #[error("the tunnel is not ready after {:.1} s ({last})", limit.as_secs_f64())]
    TimedOut {
        /// How long that was.
        limit: Duration,
        /// What was last seen.
        last: Look,
    },
}

fn watch(wait: &Wait) -> Result<(), Vain> {
    let begun = Instant::now();
    let mut process = Process::new(&wait.watched);
    let mut answered = false;
    loop {
        // The process first: what it left behind must not count.
        process.check(begun.elapsed())?;
        let left = wait.limit.saturating_sub(begun.elapsed());
        let seen = match &wait.sign {
            Sign::Answer(oracle) => look(oracle, ANSWER_PATIENCE.min(left.max(INTERVAL))),
            Sign::File(file) if is_there(file) => Look::Ready,
            Sign::File(_) => Look::NoFile,
        };
        match &seen {
            Look::Ready => return Ok(()),
            Look::NotReady(_) => answered = true,
            Look::Silent(_) if answered => {
                return Err(Vain::Gone("it answered before, and does not any more"));
            }
            Look::Silent(_) | Look::NoFile => {}
        }
        if begun.elapsed() >= wait.limit {
            return Err(Vain::TimedOut { limit: wait.limit, last: seen });
        }
        thread::sleep(INTERVAL.min(wait.limit.saturating_sub(begun.elapsed())));
    }
}

fn look(oracle: &Oracle, patience: Duration) -> Look {
    match ask(&oracle.address, oracle.path, oracle.auth.as_ref(), patience) {
        Ok(said) if said.code == 200 => Look::Ready,
        Ok(said) => Look::NotReady(format!("{} {}", said.code, said.body.trim())),
        // It is there, only slow.
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Look::NotReady("it does not answer in time".to_owned())
        }
        Err(error) => Look::Silent(format!("{}: {error}", oracle.address)),
    }
}

/// An empty file may be one that somebody made to be filled.
fn is_there(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.len() > 0)
}

/// The process whose end makes waiting vain.
struct Process<'a> {
    watched: &'a Watched,
    /// Once it was seen alive.
    alive: Option<(u32, Life)>,
}

impl<'a> Process<'a> {
    fn new(watched: &'a Watched) -> Self {
        Self { watched, alive: None }
    }

    /// Fails if it has ended.
    fn check(&mut self, waited: Duration) -> Result<(), Vain> {
        let from_file = matches!(self.watched, Watched::File(_));
        let pid = match self.watched {
            Watched::Nobody => return Ok(()),
            Watched::Process(pid) => Some(*pid),
            Watched::File(file) => {
                fs::read_to_string(file).ok().and_then(|t| t.trim().parse().ok())
            }
        };
        match (pid, self.alive) {
            // Not yet written.
            (None, None) => Ok(()),
            (None, Some((pid, life))) if life::of(pid) == Some(life) => {
                // Someone took its pid file away.
                Ok(())
            }
            (None, Some(_)) => Err(Vain::Gone("its pid file is gone")),
            (Some(pid), before) => match (life::of(pid), before) {
                (Some(life), None) => {
                    self.alive = Some((pid, life));
                    Ok(())
                }
                (Some(life), Some((known, _))) if from_file && known != pid => {
                    self.alive = Some((pid, life));
                    Ok(())
                }
                (Some(life), Some((_, known))) if life == known => Ok(()),
                (None, None) if from_file && waited < STALE_PID_FILE => Ok(()),
                _ => Err(Vain::Ended(pid)),
            },
        }
    }
}

fn say(text: &str) -> Exit {
    let _ = writeln!(io::stdout(), "{text}");
    Exit::Orderly
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "Error: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::ListenAddress;

    fn nobody() -> Sign {
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        Sign::Answer(Oracle {
            address: ListenAddress::parse(&address).unwrap(),
            path: "/readyz",
            auth: None,
        })
    }

    fn short(sign: Sign, watched: Watched) -> Result<(), Vain> {
        watch(&Wait { sign, watched, limit: Duration::from_millis(250) })
    }

    #[test]
    fn the_time_ends() {
        let own = Watched::Process(std::process::id());
        assert!(matches!(short(nobody(), own), Err(Vain::TimedOut { .. })));
        assert!(matches!(short(nobody(), Watched::Nobody), Err(Vain::TimedOut { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_has_ended_ends_the_wait_even_if_nobody_reaped_it() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        let wait =
            Wait { sign: nobody(), watched: Watched::Process(pid), limit: Duration::from_secs(60) };
        let waiting = thread::spawn(move || watch(&wait));
        child.kill().unwrap();
        assert_eq!(waiting.join().unwrap(), Err(Vain::Ended(pid)));
        child.wait().unwrap();
    }

    #[test]
    fn a_ready_file_counts_when_there_is_something_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (ready, pid) = (folder.path().join("ready"), folder.path().join("pid"));
        fs::write(&pid, format!("{}\n", std::process::id())).unwrap();
        let look = || short(Sign::File(ready.clone()), Watched::File(pid.clone()));
        assert!(matches!(look(), Err(Vain::TimedOut { last: Look::NoFile, .. })));
        fs::write(&ready, "").unwrap();
        assert!(matches!(look(), Err(Vain::TimedOut { .. })));
        fs::write(&ready, "{}").unwrap();
        assert_eq!(look(), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn a_pid_file_of_a_killed_process_is_given_a_moment() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        fs::write(&pid, child.id().to_string()).unwrap();
        let watched = Watched::File(pid);
        assert!(matches!(short(nobody(), watched.clone()), Err(Vain::TimedOut { .. })));
        let long = Wait { sign: nobody(), watched, limit: Duration::from_secs(60) };
        assert_eq!(watch(&long), Err(Vain::Ended(child.id())));
    }
}
