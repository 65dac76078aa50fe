//! The one logger of the process.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use log::{Level, Log, Metadata, Record};

use super::file::{LogFile, open_usual};
use super::filter::Filter;
use super::repeats::{More, Repeats, Told};
use super::shape::Shape;
use super::sink::{Sink, Stream, Which};
use super::{CONSOLE, Destination, LogError, LogSettings, VARIABLE, Warnings};

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Takes the records of all threads.
#[derive(Debug)]
pub(super) struct Logger {
    filter: Filter,
    shape: Shape,
    places: Mutex<Places>,
    on_stdout: bool,
    /// Someone wants the file to be opened again.
    stale: AtomicBool,
}

/// Where lines go, and what was said of late.
#[derive(Debug)]
struct Places {
    /// `None`: no file could be had, and nobody asked for one.
    log: Option<Sink>,
    /// For warnings, if they are not with the rest.
    console: Option<Sink>,
    repeats: Repeats,
}

/// Begins to log. To be called once.
///
/// # Errors
///
/// A file that was asked for cannot be had.
pub(crate) fn start(settings: &LogSettings) -> Result<(), LogError> {
    let logger = Logger::new(settings)?;
    let most = logger.filter.most();
    if LOGGER.set(logger).is_ok()
        && let Some(logger) = LOGGER.get()
        && log::set_logger(logger).is_ok()
    {
        log::set_max_level(most);
    }
    Ok(())
}

/// Whether the log goes to standard output, where the console's lines are too.
pub(crate) fn are_on_stdout() -> bool {
    LOGGER.get().is_none_or(|logger| logger.on_stdout)
}

/// Opens the log file again: someone has moved it, and wants a new one in its place.
pub(crate) fn reopen() {
    if let Some(logger) = LOGGER.get() {
        logger.ask_to_reopen();
        logger.reopen_if_stale(&mut logger.places());
    }
}

/// Writes all that waits, and what was not told of lines kept back.
pub(crate) fn flush() {
    if let Some(logger) = LOGGER.get() {
        logger.flush();
    }
}

impl Logger {
    pub(super) fn new(settings: &LogSettings) -> Result<Self, LogError> {
        let max_size = settings.max_size;
        let log = match &settings.to {
            Destination::Stdout => Some(Sink::Stream(Stream::new(Which::Out))),
            Destination::Stderr => Some(Sink::Stream(Stream::new(Which::Err))),
            Destination::File(flag, path) => {
                let opened = LogFile::open(path, max_size);
                let failed = |error| LogError { flag, path: path.clone(), error };
                Some(Sink::File(opened.map_err(failed)?))
            }
            Destination::Usual(path) => open_usual(path, max_size).map(Sink::File),
        };
        let on_stdout = settings.to == Destination::Stdout;
        let console = match settings.warnings {
            Warnings::OnConsoleToo if !on_stdout => Some(Sink::Stream(Stream::new(Which::Out))),
            Warnings::OnConsoleToo | Warnings::InLog => None,
        };
        let mut filter = settings.filter.clone();
        if let Ok(text) = std::env::var(VARIABLE) {
            filter = filter.changed_by(&text);
        }
        Ok(Self {
            filter,
            shape: settings.shape,
            places: Mutex::new(Places { log, console, repeats: Repeats::default() }),
            on_stdout,
            stale: AtomicBool::new(false),
        })
    }

    /// Has the file opened again before the next line.
    pub(super) fn ask_to_reopen(&self) {
        self.stale.store(true, Ordering::Release);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reopen_if_stale(&self, places: &mut Places) {
        if self.stale.load(Ordering::Relaxed) && self.stale.swap(false, Ordering::AcqRel) {
            let reopened = places.log.as_mut().map_or(Ok(()), Sink::reopen);
            if let Err(error) = reopened {
                let text = format_args!("the log file cannot be opened again: {error}");
                self.own(places, Level::Warn, "log", text);
            }
        }
    }

    /// Writes a record, whose line was made already.
    fn put(&self, places: &mut Places, record: &Record<'_>, line: &str) {
        if let Some(log) = &mut places.log {
            log.write(line);
        }
        let is_news = record.level() <= Level::Warn && record.target() != CONSOLE;
        if let Some(console) = places.console.as_mut().filter(|_| is_news) {
            match self.shape {
                // No wrapper shall take it for the end.
                Shape::V4 => console.write(&format!("Warning: {}\n", record.args())),
                _ => console.write(line),
            }
        }
    }

    /// A line of the logger itself.
    fn own(&self, places: &mut Places, level: Level, target: &str, text: std::fmt::Arguments<'_>) {
        let mut line = String::new();
        let record = Record::builder().args(text).level(level).target(target).build();
        self.shape.write_record(&mut line, &record);
        self.put(places, &record, &line);
    }

    fn tell_more(&self, places: &mut Places, told: Told) {
        let now = Instant::now();
        while let Some(More { count, level, target, like }) = places.repeats.more(now, told) {
            self.own(places, level, &target, format_args!("{count} more like it: {like}"));
        }
    }
}

thread_local! {
    /// A line is made outside of the lock.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.takes(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let write = |line: &mut String| {
            line.clear();
            self.shape.write_record(line, record);
            let mut places = self.places();
            self.reopen_if_stale(&mut places);
            self.tell_more(&mut places, Told::Over);
            if places.repeats.admit(record, Instant::now()) {
                self.put(&mut places, record, line);
            }
        };
        // A record that is made while another is worded gets a line of its own.
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => write(&mut line),
            Err(_) => write(&mut String::new()),
        });
    }

    fn flush(&self) {
        let mut places = self.places();
        self.tell_more(&mut places, Told::All);
        let Places { log, console, .. } = &mut *places;
        for sink in [log, console].into_iter().flatten() {
            sink.flush();
        }
    }
}
