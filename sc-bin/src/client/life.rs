//! Whether another process lives.

/// A process that lives; another one that later has its id is not equal to it, where the system
/// tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// When it began, in ticks since the system did.
    began: u64,
}

/// The process with this id, unless it has ended. One that has and that nobody has reaped yet
/// counts as ended.
#[cfg(target_os = "linux")]
pub(super) fn of(pid: u32) -> Option<Life> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in brackets, may hold anything (proc(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let began = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then_some(Life { began })
}

/// The process with this id, unless it has ended.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn of(pid: u32) -> Option<Life> {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    match test_kill_process(pid) {
        // One of another user lives, too.
        Ok(()) | Err(Errno::PERM) => Some(Life { began: 0 }),
        Err(_) => None,
    }
}

/// Not known here: every process counts as alive.
#[cfg(not(unix))]
pub(super) fn of(_: u32) -> Option<Life> {
    Some(Life { began: 0 })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_stays_the_same() {
        let own = of(std::process::id()).unwrap();
        assert_eq!(of(std::process::id()), Some(own));
        assert_ne!(of(1), Some(own));
        // Above the largest id there can be.
        assert_eq!(of(1 << 23), None);
    }
}
