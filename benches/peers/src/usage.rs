//! What the processes of a tunnel use: CPU time and memory of each with all its descendants.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Clock ticks in a second, on every Linux that runs this.
const TICKS: f64 = 100.0;

/// The ends of a tunnel as process ids: each stands for itself and all that came from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes(pub(crate) Vec<u32>);

#[derive(Clone, Copy, Debug)]
struct Stat {
    parent: u32,
    /// User and system time, its own and that of children that it has waited for.
    ticks: u64,
}

impl Processes {
    /// CPU time used so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let all = stats();
        let ticks = |pid: &u32| all.get(pid).map_or(0, |stat| stat.ticks);
        let total: u64 = self.0.iter().flat_map(|&root| tree(root, &all)).map(|p| ticks(&p)).sum();
        total as f64 / TICKS
    }

    /// Memory in RAM now, in KiB, of all ends together.
    pub(crate) fn resident_kib(&self) -> u64 {
        let all = stats();
        self.0.iter().flat_map(|&root| tree(root, &all)).map(|pid| status(pid, "VmRSS:")).sum()
    }

    /// The most memory that was in RAM since [`Self::forget_peak`], in KiB, of the end that had
    /// more of it.
    pub(crate) fn peak_kib(&self) -> u64 {
        let all = stats();
        let end = |root: &u32| tree(*root, &all).into_iter().map(|p| status(p, "VmHWM:")).sum();
        self.0.iter().map(end).max().unwrap_or(0)
    }

    /// What came from the ends, without them.
    pub(crate) fn descendants(&self) -> Self {
        let all = stats();
        Self(self.0.iter().flat_map(|&root| tree(root, &all).split_off(1)).collect())
    }

    /// Kills them.
    pub(crate) fn kill(&self) {
        for pid in &self.0 {
            let pid = pid.to_string();
            // It may have ended with its parent.
            let _ = Command::new("sh").args(["-c", "kill -KILL \"$0\" 2>/dev/null", &pid]).status();
        }
    }

    /// Lets the peak begin at what is in RAM now.
    pub(crate) fn forget_peak(&self) {
        let all = stats();
        for pid in self.0.iter().flat_map(|&root| tree(root, &all)) {
            // Only a process that has just ended cannot be told.
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }
}

/// A process and all its descendants.
fn tree(root: u32, all: &BTreeMap<u32, Stat>) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

fn stats() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").expect("/proc is there");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, stat(pid)?))).collect()
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold blanks: fields are counted from behind it.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks })
}

fn status(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
