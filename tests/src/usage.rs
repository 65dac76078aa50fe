//! What a process uses, as Linux counts it under `/proc`.

use std::fs;
use std::path::Path;

/// Memory of process `pid` that is in RAM now, in bytes.
///
/// # Panics
/// If the process is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:") * 1024
}

/// The most memory that was ever in RAM, in bytes.
///
/// # Panics
/// If the process is gone.
pub fn peak_resident_bytes(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:") * 1024
}

/// How many threads it has.
///
/// # Panics
/// If the process is gone.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives").count()
}

/// How often each of its threads has waited, that is, was woken, by their names.
///
/// # Panics
/// If the process is gone.
pub fn waits(pid: u32) -> Vec<(String, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    // A thread may end while it is looked at.
    let read = |path: &Path, name| fs::read_to_string(path.join(name)).ok();
    let mut waits: Vec<_> = tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let status = read(&path, "status")?;
            let count =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            Some((read(&path, "comm")?.trim().to_owned(), count.trim().parse().ok()?))
        })
        .collect();
    waits.sort();
    waits
}

/// How many file descriptors it has open.
///
/// # Panics
/// If the process is gone.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives").count()
}

/// CPU time used, user and system, in clock ticks (100 a second on every Linux that runs this).
///
/// # Panics
/// If the process is gone.
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    // The name, in parentheses, may hold blanks: fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')').expect("stat has a name");
    let number = |index| fields.split_whitespace().nth(index).and_then(|field| field.parse().ok());
    let user: u64 = number(11).expect("field utime");
    let system: u64 = number(12).expect("field stime");
    user + system
}

/// How many files this process and its children may have open.
///
/// # Panics
/// If Linux does not say.
pub fn open_files_limit() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").expect("Linux lists the limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).expect("it has a soft limit");
    soft.parse().unwrap_or(u64::MAX) // "unlimited"
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok());
    number.unwrap_or_else(|| panic!("no {field} for process {pid}"))
}
