//! What the operating system says of this process: the `process_` metrics that every client
//! library of Prometheus has. Linux tells it in `/proc`; elsewhere there are none.

use super::exposition::Exposition;

/// Adds the metrics of this process, as far as the system tells them.
#[cfg(target_os = "linux")]
pub(crate) fn expose(all: &mut Exposition) {
    linux::expose(all);
}

/// Adds the metrics of this process, as far as the system tells them: not at all.
#[cfg(not(target_os = "linux"))]
pub(crate) fn expose(_: &mut Exposition) {}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use rustix::param::{clock_ticks_per_second, page_size};
    use rustix::process::{Resource, getrlimit};

    use super::Exposition;
    use crate::monitor::exposition::{amount, number};

    pub(super) fn expose(all: &mut Exposition) {
        if let Some(stat) = Stat::read() {
            let ticks = number(clock_ticks_per_second());
            all.plain_counter(
                "process_cpu_seconds_total",
                "User and system CPU time spent, in seconds.",
                number(stat.cpu_ticks) / ticks,
            );
            all.plain_gauge(
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes.",
                number(stat.virtual_bytes),
            );
            all.plain_gauge(
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
                number(stat.resident_pages) * amount(page_size()),
            );
            all.plain_gauge("process_threads", "Threads.", number(stat.threads));
            if let Some(boot) = boot_time() {
                all.plain_gauge(
                    "process_start_time_seconds",
                    "Start time of the process since the Unix epoch, in seconds.",
                    number(boot) + number(stat.start_ticks) / ticks,
                );
            }
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // Less the one that looks.
            let open = amount(files.count().saturating_sub(1));
            all.plain_gauge("process_open_fds", "Open file descriptors.", open);
        }
        limits(all);
        if let Some((received, sent)) = network_bytes() {
            all.plain_counter(
                "process_network_receive_bytes_total",
                "Bytes of IP received in the network namespace of the process.",
                number(received),
            );
            all.plain_counter(
                "process_network_transmit_bytes_total",
                "Bytes of IP sent in the network namespace of the process.",
                number(sent),
            );
        }
    }

    fn limits(all: &mut Exposition) {
        if let Some(files) = getrlimit(Resource::Nofile).current {
            let help = "Most open file descriptors (soft limit).";
            all.plain_gauge("process_max_fds", help, number(files));
        }
        // Without a limit it is -1, by the convention of all client libraries.
        let memory = getrlimit(Resource::As).current.map_or(-1.0, number);
        let help = "Most virtual memory in bytes, -1 without a limit.";
        all.plain_gauge("process_virtual_memory_max_bytes", help, memory);
    }

    /// Of `/proc/self/stat` (proc(5)).
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Stat {
        pub(super) cpu_ticks: u64,
        pub(super) threads: u64,
        pub(super) start_ticks: u64,
        pub(super) virtual_bytes: u64,
        pub(super) resident_pages: u64,
    }

    impl Stat {
        fn read() -> Option<Self> {
            Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
        }

        pub(super) fn parse(text: &str) -> Option<Self> {
            // The program's name, in brackets, may hold anything.
            let (_, fields) = text.rsplit_once(')')?;
            let fields: Vec<&str> = fields.split_whitespace().collect();
            // Numbers of proc(5), whose third field is the first here.
            let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
            Some(Self {
                cpu_ticks: field(14)? + field(15)?,
                threads: field(20)?,
                start_ticks: field(22)?,
                virtual_bytes: field(23)?,
                resident_pages: field(24)?,
            })
        }
    }

    fn boot_time() -> Option<u64> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    }

    /// `InOctets` and `OutOctets`: a line of names, and below it one of values.
    fn network_bytes() -> Option<(u64, u64)> {
        let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt:"));
        let (names, values) = (lines.next()?, lines.next()?);
        let value = |name: &str| {
            let place = names.split_whitespace().position(|known| known == name)?;
            values.split_whitespace().nth(place)?.parse().ok()
        };
        Some((value("InOctets")?, value("OutOctets")?))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::Stat;
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 3 0 99 1000 42 18446744073709551615";
        let stat = Stat {
            cpu_ticks: 11,
            threads: 3,
            start_ticks: 99,
            virtual_bytes: 1000,
            resident_pages: 42,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (a"), None);
    }

    #[test]
    fn linux_tells_all_of_it() {
        let mut all = Exposition::new("");
        expose(&mut all);
        let text = all.text();
        let value = |name: &str| -> f64 {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            found.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_threads") >= 1.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        let age = crate::calendar::unix_now() as f64 - value("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "{age}");
        for name in [
            "process_cpu_seconds_total",
            "process_virtual_memory_max_bytes",
            "process_network_receive_bytes_total",
            "process_network_transmit_bytes_total",
        ] {
            value(name);
        }
    }
}
