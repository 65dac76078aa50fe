use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log as _, Record};

use super::logger::Logger;
use super::*;

const THREADS: usize = 8;
const LINES: usize = 4_000;

fn logger(path: &Path, max_size: u64) -> Logger {
    Logger::new(&LogSettings {
        filter: Filter::new(LevelFilter::Debug),
        shape: Shape::V5,
        to: Destination::File("--log-file", path.to_owned()),
        warnings: Warnings::InLog,
        max_size: NonZeroU64::new(max_size),
    })
    .unwrap()
}

fn say(logger: &Logger, level: Level, text: &str) {
    let args = format_args!("{text}");
    logger.log(&Record::builder().args(args).level(level).target("test").build());
}

/// All lines of all files in a folder, and how many files there are.
fn found(folder: &Path) -> (BTreeMap<String, usize>, usize) {
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut lines = BTreeMap::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "a torn line in {}", file.display());
        for line in text.lines() {
            let said = line.rsplit("] ").next().unwrap_or_default().to_owned();
            *lines.entry(said).or_default() += 1;
        }
    }
    (lines, files.len())
}

/// Threads write numbered lines while `meanwhile` goes on; each line must be there once. Says how
/// long the slowest of 1,000 lines took, and the slowest of all.
fn all_are_there_once(
    max_size: u64,
    meanwhile: impl Fn(&Path, &Logger, u64) + Sync,
) -> (usize, Duration, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sc.log");
    let logger = Arc::new(logger(&path, max_size));
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|writer| {
                let logger = &logger;
                scope.spawn(move || {
                    let write = |line| {
                        let begun = Instant::now();
                        say(logger, Level::Debug, &format!("line-{writer}-{line}"));
                        begun.elapsed()
                    };
                    (0..LINES).map(write).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut round = 0;
        while writers.iter().any(|writer| !writer.is_finished()) {
            meanwhile(&path, &logger, round);
            round += 1;
        }
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let (lines, files) = found(folder.path());
    let twice = lines.values().filter(|count| **count != 1).count();
    assert_eq!((lines.len(), twice), (THREADS * LINES, 0));
    times.sort();
    (files, times[times.len() * 999 / 1000], times[times.len() - 1])
}

#[cfg(feature = "operations")]
#[test]
fn rotation_by_size_under_load_loses_no_line() {
    let (files, slow, slowest) = all_are_there_once(50_000, |_, _, _| thread::yield_now());
    println!("{files} files; 999 of 1000 lines in {slow:?}, the slowest in {slowest:?}");
    assert!(files > 20, "{files}");
    assert!(slowest < Duration::from_secs(1), "a data worker would have been held up: {slowest:?}");
}

#[test]
fn a_file_that_is_moved_and_opened_again_under_load_loses_no_line() {
    let (files, slow, slowest) = all_are_there_once(0, |path, logger, round| {
        // As logrotate does it; it waits for the new file before the next turn.
        if path.exists() && round < 200 {
            fs::rename(path, path.with_extension(format!("{round}.old"))).unwrap();
            logger.ask_to_reopen();
        }
        thread::sleep(Duration::from_millis(1));
    });
    println!("{files} files; 999 of 1000 lines in {slow:?}, the slowest in {slowest:?}");
    assert!(files > 3, "{files}");
}

#[cfg(feature = "operations")]
#[test]
fn serial_numbers_go_on_and_a_full_file_is_put_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sc.log");
    fs::write(folder.path().join("sc.log.7"), "").unwrap();
    fs::write(&path, "x".repeat(90)).unwrap();
    let logger = logger(&path, 100);
    for text in ["one", "two"] {
        say(&logger, Level::Info, text);
    }
    let size = |name: &str| fs::metadata(folder.path().join(name)).map(|file| file.len()).ok();
    assert_eq!(size("sc.log.8"), Some(90), "what an earlier run wrote");
    assert!(fs::read_to_string(&path).unwrap().contains("two"));
}

#[test]
fn more_of_the_same_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sc.log");
    let logger = logger(&path, 0);
    for number in 0..500 {
        say(&logger, Level::Warn, &format!("site {number} is broken"));
    }
    logger.flush();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 21, "{text}");
    assert!(text.ends_with("[test] [WARN] 480 more like it: site 0 is broken\n"), "{text}");
}

#[test]
fn a_file_that_cannot_be_had_is_told_if_it_was_asked_for() {
    let nowhere = PathBuf::from("/nowhere/at/all.log");
    let start = |to| {
        let (filter, shape) = (Filter::new(LevelFilter::Info), Shape::V4);
        Logger::new(&LogSettings { filter, shape, to, warnings: Warnings::InLog, max_size: None })
    };
    let error = start(Destination::File("--logfile", nowhere.clone())).unwrap_err().to_string();
    assert!(error.starts_with("--logfile /nowhere/at/all.log: "), "{error}");
    say(&start(Destination::Usual(nowhere)).unwrap(), Level::Info, "to nobody");
}

#[cfg(unix)]
#[test]
fn the_usual_file_is_never_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (usual, other) = (folder.path().join("sc.log"), folder.path().join("precious"));
    fs::write(&other, "").unwrap();
    std::os::unix::fs::symlink(&other, &usual).unwrap();
    let settings = LogSettings {
        filter: Filter::new(LevelFilter::Info),
        shape: Shape::V4,
        to: Destination::Usual(usual.clone()),
        warnings: Warnings::InLog,
        max_size: None,
    };
    say(&Logger::new(&settings).unwrap(), Level::Info, "hello");
    assert_eq!(fs::read_to_string(&other).unwrap(), "");
    let own = usual.with_extension(format!("{}.log", std::process::id()));
    assert!(fs::read_to_string(own).unwrap().contains("hello"));
}

/// At trace, the HTTP client dumps requests as they are: keys and secrets included.
#[test]
fn no_setting_brings_keys_into_the_log() {
    assert!(log::STATIC_MAX_LEVEL <= LevelFilter::Debug);
}
