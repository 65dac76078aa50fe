//! What other processes watch without asking: the pid file, the ready file, the service manager.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::board::Snapshot;
use super::link::State;
use crate::calendar::Moment;
use crate::cli::Monitoring;
use crate::client::failure::Failure;
use crate::client::life;
use crate::monitor::worker::AskWorkers;
use crate::monitor::{Notice, ServiceManager};

/// Largest file that is looked at to see whether an earlier run left it.
const MAX_LEFT_OVER: u64 = 4096;

/// See the module's head. The files are removed when this is dropped.
pub(super) struct Signs {
    pid_file: Option<OwnFile>,
    ready_file: Option<PathBuf>,
    /// The ready file once it is there.
    ready: Option<OwnFile>,
    manager: ServiceManager,
    told: Told,
    workers: AskWorkers,
    /// The client's own proxy port, if it has one.
    local_proxy: Option<SocketAddr>,
    next_alive: Option<Instant>,
}

/// What the service manager knows. Nothing is told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Told {
    Nothing,
    Ready,
    Stopping,
}

/// A file that this process wrote.
pub(in crate::client) struct OwnFile {
    path: PathBuf,
    content: String,
}

impl Signs {
    /// Writes the pid file, and removes a ready file that an earlier run left: who waits for it
    /// must not take it for this run's.
    ///
    /// # Errors
    ///
    /// The pid file cannot be written, or there is no folder for the ready file.
    pub(super) fn new(
        monitoring: &Monitoring,
        workers: AskWorkers,
        local_proxy: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let pid_file = match &monitoring.pid_file {
            Some(path) => {
                let content = format!("{}\n", std::process::id());
                Some(
                    OwnFile::write(path, content)
                        .map_err(|error| failed("--pidfile", path, &error))?,
                )
            }
            None => monitoring.usual_pid_file.as_deref().and_then(usual_pid_file),
        };
        if let Some(path) = &monitoring.ready_file {
            remove_left_over(path).map_err(|error| failed("--readyfile", path, &error))?;
        }
        let manager = ServiceManager::of_process();
        let next_alive = manager.watchdog().map(|wait| Instant::now() + wait);
        Ok(Self {
            pid_file,
            ready_file: monitoring.ready_file.clone(),
            ready: None,
            manager,
            told: Told::Nothing,
            workers,
            local_proxy,
            next_alive,
        })
    }

    /// The tunnel can be used.
    pub(super) fn on_ready(&mut self, snapshot: &Snapshot) {
        if let Some(path) = &self.ready_file {
            match OwnFile::write(path, ready_text(snapshot, self.local_proxy)) {
                Ok(file) => self.ready = Some(file),
                Err(error) => {
                    log::warn!("the ready file {} cannot be written: {error}", path.display());
                }
            }
        }
        if self.told < Told::Ready {
            self.told = Told::Ready;
            self.manager.tell(Notice::Ready);
        }
        self.on_change(snapshot);
    }

    /// The link has changed.
    pub(super) fn on_change(&self, snapshot: &Snapshot) {
        self.manager.tell(Notice::Status(&status_text(snapshot)));
    }

    /// The run is to end.
    pub(super) fn on_stopping(&mut self) {
        if self.told < Told::Stopping {
            self.told = Told::Stopping;
            self.manager.tell(Notice::Stopping);
        }
    }

    /// The run is over.
    pub(super) fn on_end(&mut self) {
        self.on_stopping();
        self.ready = None;
        self.pid_file = None;
    }

    /// When [`Signs::on_time`] is due, if ever.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_alive
    }

    /// Gives a sign of life if one is due and the data plane answers. The event loop, whose thread
    /// this is, has shown that it works by coming here.
    pub(super) fn on_time(&mut self, now: Instant) {
        let (Some(due), Some(wait)) = (self.next_alive, self.manager.watchdog()) else { return };
        if due > now {
            return;
        }
        self.next_alive = Some(now + wait);
        match (self.workers)() {
            Ok(_) => self.manager.tell(Notice::Alive),
            Err(error) => log::error!("no sign of life to the service manager: {error}"),
        }
    }
}

impl OwnFile {
    /// Writes a file at once: nobody sees a part of it.
    pub(in crate::client) fn write(path: &Path, content: String) -> io::Result<Self> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}", std::process::id()));
        let draft = PathBuf::from(draft);
        // A file or link that someone else put there is not written to.
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&draft);
        let written = file
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .and_then(|()| fs::rename(&draft, path));
        if let Err(error) = written {
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&draft);
            }
            return Err(error);
        }
        Ok(Self { path: path.to_owned(), content })
    }
}

impl Drop for OwnFile {
    /// Removes it, unless another process has written its own there since.
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|content| content == self.content) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The pid file that nobody asked for: in its usual place, or, where another process that lives has
/// its own, with this process's id in its name. One that cannot be had stops nobody.
fn usual_pid_file(path: &Path) -> Option<OwnFile> {
    let own = std::process::id();
    let of_another = fs::read_to_string(path)
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok())
        .is_some_and(|pid| pid != own && life::of(pid).is_some());
    let path = match of_another {
        true => path.with_extension(format!("{own}.pid")),
        false => path.to_owned(),
    };
    let written = OwnFile::write(&path, format!("{own}\n"));
    if let Err(error) = &written {
        log::debug!("no pid file {}: {error}", path.display());
    }
    written.ok()
}

/// Removes a ready file of an earlier run: one that is empty or has a tunnel's id in it. Whatever
/// else is there was put there by someone else, and stays until it is written over.
pub(in crate::client) fn remove_left_over(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Better said now than when the tunnel is up.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            return folder.map_or(Ok(()), |folder| fs::metadata(folder).map(drop));
        }
        Err(error) => return Err(error),
    };
    if !file.is_file() || file.len() > MAX_LEFT_OVER {
        return Ok(());
    }
    let content = fs::read_to_string(path)?;
    let json: Option<serde_json::Value> = serde_json::from_str(&content).ok();
    let is_ours = json.is_some_and(|json| json.get("tunnelID").is_some());
    if content.trim().is_empty() || is_ours { fs::remove_file(path) } else { Ok(()) }
}

/// The ready file's content, with the original's names. Without a local proxy its port is 0.
fn ready_text(snapshot: &Snapshot, local_proxy: Option<SocketAddr>) -> String {
    let tunnel = snapshot.tunnel.as_ref();
    let Moment { year, month, day, hour, minute, second } =
        Moment::of_unix(snapshot.links.first_connected().unwrap_or_default());
    let first = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    let json = json!({
        "firstConnectedTime": first,
        "scProxyPort": local_proxy.map_or(0, |address| address.port()).to_string(),
        "tunnelID": tunnel.map_or(String::new(), |tunnel| tunnel.id.to_string()),
        "tunnelName": snapshot.name.as_deref().unwrap_or_default(),
        "tunnelServer": tunnel.map_or("", |tunnel| tunnel.host.as_str()),
    });
    format!("{json}\n")
}

/// What `systemctl status` shows.
fn status_text(snapshot: &Snapshot) -> String {
    let link = &snapshot.links;
    match link.state() {
        State::Starting(_) => "connecting".to_owned(),
        State::Connected { .. } if link.reconnects() == 0 => "connected".to_owned(),
        State::Connected { .. } => format!("connected, again {} times", link.reconnects()),
        State::Reconnecting(outage) => format!("reconnecting: {}", outage.cause),
        State::Lost(outage) => format!("connection lost: {}", outage.cause),
        State::Ended => "ended".to_owned(),
    }
}

pub(in crate::client) fn failed(flag: &'static str, path: &Path, error: &io::Error) -> Failure {
    Failure::File { flag, path: path.display().to_string(), error: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::status::board::Board;

    fn signs(pid: Option<PathBuf>, ready: Option<PathBuf>) -> Result<Signs, Failure> {
        let monitoring = Monitoring { pid_file: pid, ready_file: ready, ..Monitoring::default() };
        Signs::new(&monitoring, Arc::new(|| Ok(Vec::new())), None)
    }

    #[test]
    fn files_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let (pid, ready) = (folder.path().join("pid"), folder.path().join("ready"));
        fs::write(&ready, "").unwrap();
        let mut signs = signs(Some(pid.clone()), Some(ready.clone())).unwrap();
        assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", std::process::id()));
        assert!(!ready.exists(), "one of an earlier run would mislead");
        signs.on_ready(&Board::new(Some("ci".to_owned()), 1).read());
        let text = fs::read_to_string(&ready).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let expected =
            ["firstConnectedTime", "scProxyPort", "tunnelID", "tunnelName", "tunnelServer"];
        assert_eq!(names, expected);
        assert_eq!(json["scProxyPort"], "0");
        assert_eq!(json["tunnelName"], "ci");
        signs.on_end();
        assert!(!pid.exists() && !ready.exists());
    }

    #[test]
    fn the_usual_pid_file_never_stops_a_start_and_never_collides() {
        let folder = tempfile::tempdir().unwrap();
        let usual = folder.path().join("sc_client-ci.pid");
        let own = format!("{}\n", std::process::id());
        // One of a process that was killed, above the largest id there can be.
        for stale in ["8388608\n", "", "no number"] {
            fs::write(&usual, stale).unwrap();
            let file = usual_pid_file(&usual).unwrap();
            assert_eq!(fs::read_to_string(&usual).unwrap(), own, "{stale}");
            drop(file);
            assert!(!usual.exists());
        }
        fs::write(&usual, "1\n").unwrap();
        let file = usual_pid_file(&usual).unwrap();
        assert_eq!(fs::read_to_string(&usual).unwrap(), "1\n", "another tunnel's");
        assert_eq!(fs::read_to_string(&file.path).unwrap(), own);
        assert!(usual_pid_file(Path::new("/nowhere/at/all.pid")).is_none());
    }

    #[test]
    fn what_others_wrote_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (pid, ready) = (folder.path().join("pid"), folder.path().join("ready"));
        fs::write(&ready, "my notes").unwrap();
        let signs = signs(Some(pid.clone()), Some(ready.clone())).unwrap();
        assert_eq!(fs::read_to_string(&ready).unwrap(), "my notes");
        fs::write(&pid, "1\n").unwrap();
        drop(signs);
        assert_eq!(fs::read_to_string(&pid).unwrap(), "1\n");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_at_once() {
        let nowhere = PathBuf::from("/nowhere/at/all");
        assert!(matches!(signs(Some(nowhere.clone()), None), Err(Failure::File { .. })));
        assert!(matches!(signs(None, Some(nowhere)), Err(Failure::File { .. })));
    }
}
