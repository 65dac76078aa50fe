//! What a service manager is told, by systemd's protocol (`sd_notify(3)`): datagrams to the socket
//! that `NOTIFY_SOCKET` names. Without that variable nobody is told anything.

use std::time::Duration;

/// The way to the service manager.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    #[cfg(unix)]
    socket: Option<std::sync::Arc<std::os::unix::net::UnixDatagram>>,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice<'a> {
    /// The service has started.
    Ready,
    /// It is going to end.
    Stopping,
    /// It is alive.
    Alive,
    /// A line for people, as `systemctl status` shows it.
    Status(&'a str),
}

impl Notice<'_> {
    fn text(self) -> String {
        match self {
            Self::Ready => "READY=1".to_owned(),
            Self::Stopping => "STOPPING=1".to_owned(),
            Self::Alive => "WATCHDOG=1".to_owned(),
            // A line's end would end the field.
            Self::Status(text) => format!("STATUS={}", text.replace(['\n', '\r'], " ")),
        }
    }
}

impl ServiceManager {
    /// The one that the environment names, if it names one.
    pub(crate) fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self::named(
            std::env::var_os("NOTIFY_SOCKET"),
            watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id()),
        )
    }

    #[cfg(unix)]
    fn named(socket: Option<std::ffi::OsString>, watchdog: Option<Duration>) -> Self {
        let socket = socket.filter(|name| !name.is_empty()).and_then(|name| {
            let connected = unix::connect(&name);
            if let Err(error) = &connected {
                log::warn!("the service manager cannot be told anything: {error}");
            }
            connected.ok().map(std::sync::Arc::new)
        });
        let watchdog = watchdog.filter(|_| socket.is_some());
        Self { socket, watchdog }
    }

    #[cfg(not(unix))]
    fn named(_: Option<std::ffi::OsString>, _: Option<Duration>) -> Self {
        Self { watchdog: None }
    }

    /// How often [`Notice::Alive`] is to be told: twice as often as the service manager wants it.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells it something. It need not take it.
    pub(crate) fn tell(&self, notice: Notice<'_>) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(notice.text().as_bytes())
        {
            log::debug!("the service manager does not take {notice:?}: {error}");
        }
        #[cfg(not(unix))]
        let _ = notice.text();
    }
}

/// Half of the time that `WATCHDOG_USEC` says, if it is meant for this process.
fn watchdog(microseconds: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let microseconds: u64 = microseconds.filter(|_| is_meant)?.parse().ok()?;
    let half = Duration::from_micros(microseconds / 2);
    (half >= Duration::from_millis(1)).then_some(half)
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::net::UnixDatagram;

    /// A name that begins with `@` is one of Linux' abstract namespace.
    pub(super) fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        // Nobody may hold up the run.
        socket.set_nonblocking(true)?;
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt as _;
            use std::os::unix::ffi::OsStrExt as _;
            if let Some(name) = name.as_bytes().strip_prefix(b"@") {
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.connect_addr(&address)?;
                return Ok(socket);
            }
        }
        socket.connect(name)?;
        Ok(socket)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 200];
        let n = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    }

    #[test]
    fn notices_arrive_as_they_are_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::named(Some(path.into()), Some(Duration::from_secs(1)));
        assert_eq!(manager.watchdog(), Some(Duration::from_secs(1)));
        for (notice, text) in [
            (Notice::Ready, "READY=1"),
            (Notice::Alive, "WATCHDOG=1"),
            (Notice::Status("a\nb"), "STATUS=a b"),
            (Notice::Stopping, "STOPPING=1"),
        ] {
            manager.tell(notice);
            assert_eq!(received(&socket), text);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_without_a_file() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("sc-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        ServiceManager::named(Some(format!("@{name}").into()), None).tell(Notice::Ready);
        assert_eq!(received(&socket), "READY=1");
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        for name in [None, Some("".into()), Some("/nowhere/at/all".into())] {
            let manager = ServiceManager::named(name, Some(Duration::from_secs(1)));
            manager.tell(Notice::Ready);
            assert_eq!(manager.watchdog(), None);
        }
    }

    #[test]
    fn signs_of_life_are_given_in_half_the_time() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(watchdog(text("3000000"), None, 7), Some(Duration::from_millis(1500)));
        assert_eq!(watchdog(text("3000000"), text("7"), 7), Some(Duration::from_millis(1500)));
        assert_eq!(watchdog(text("3000000"), text("8"), 7), None);
        for wrong in ["", "x", "0", "1"] {
            assert_eq!(watchdog(text(wrong), None, 7), None, "{wrong}");
        }
    }
}
