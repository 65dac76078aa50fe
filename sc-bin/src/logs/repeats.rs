//! Lines that say the same again and again are counted instead: a broken site, a scanner or a full
//! disk does not get to fill a log.
//!
//! Warnings and errors are alike if one place in the code says them, other lines if they have the
//! same text. Debug lines are not counted: who asks for them wants all.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use log::{Level, Record};

/// Alike lines that are written in each [`WINDOW`].
const LINES: u32 = 20;
/// For so long lines are counted together.
const WINDOW: Duration = Duration::from_secs(1);
/// Kinds of lines that are counted at once. One more takes the place of another.
const KINDS: usize = 32;

/// What was said of late.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    kinds: Vec<Kind>,
}

/// Alike lines.
#[derive(Debug)]
struct Kind {
    key: u64,
    begun: Instant,
    written: u32,
    kept_back: u64,
    level: Level,
    target: String,
    first: String,
}

/// Lines that were kept back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct More {
    /// How many.
    pub(super) count: u64,
    /// How grave.
    pub(super) level: Level,
    /// Where they came from.
    pub(super) target: String,
    /// One of them.
    pub(super) like: String,
}

impl Repeats {
    /// Whether a record is written now.
    pub(super) fn admit(&mut self, record: &Record<'_>, now: Instant) -> bool {
        if record.level() > Level::Info {
            return true;
        }
        let key = key(record);
        match self.kinds.iter_mut().find(|kind| kind.key == key) {
            Some(kind) if kind.is_over(now) && kind.kept_back == 0 => {
                (kind.begun, kind.written) = (now, 1);
                true
            }
            Some(kind) if kind.written < LINES => {
                kind.written += 1;
                true
            }
            Some(kind) => {
                kind.kept_back += 1;
                false
            }
            None => {
                self.begin(key, record, now);
                true
            }
        }
    }

    fn begin(&mut self, key: u64, record: &Record<'_>, now: Instant) {
        let kind = Kind {
            key,
            begun: now,
            written: 1,
            kept_back: 0,
            level: record.level(),
            target: record.target().to_owned(),
            first: record.args().to_string(),
        };
        if self.kinds.len() < KINDS {
            return self.kinds.push(kind);
        }
        // One that owes nothing gives its place; if all do, this kind is not counted.
        let idle = self.kinds.iter_mut().filter(|kind| kind.kept_back == 0);
        if let Some(oldest) = idle.min_by_key(|kind| kind.begun) {
            *oldest = kind;
        }
    }

    /// What is to be told of lines that were kept back. With `all` also what is still counted.
    pub(super) fn more(&mut self, now: Instant, all: Told) -> Option<More> {
        let owes = |kind: &&mut Kind| kind.kept_back > 0 && (all == Told::All || kind.is_over(now));
        let kind = self.kinds.iter_mut().find(owes)?;
        let count = std::mem::take(&mut kind.kept_back);
        (kind.begun, kind.written) = (now, 0);
        Some(More {
            count,
            level: kind.level,
            target: kind.target.clone(),
            like: kind.first.clone(),
        })
    }
}

/// What is told of kept back lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Those whose window is over.
    Over,
    /// All: it is the end.
    All,
}

impl Kind {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= WINDOW
    }
}

fn key(record: &Record<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (record.level(), record.target()).hash(&mut hasher);
    match record.level() {
        Level::Error | Level::Warn => (record.file(), record.line()).hash(&mut hasher),
        _ => record.args().to_string().hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(repeats: &mut Repeats, level: Level, text: &str, now: Instant) -> bool {
        let args = format_args!("{text}");
        let record = Record::builder().args(args).level(level).target("t").line(Some(1)).build();
        repeats.admit(&record, now)
    }

    #[test]
    fn a_flood_is_counted_told_and_begins_anew() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let flood = |repeats: &mut Repeats, at| {
            (0..1000).filter(|n| admit(repeats, Level::Warn, &format!("no {n}"), at)).count()
        };
        assert_eq!(flood(&mut repeats, now), LINES as usize);
        assert_eq!(repeats.more(now, Told::Over), None);
        assert_eq!(flood(&mut repeats, now + WINDOW / 2), 0);
        let more = repeats.more(now + WINDOW, Told::Over).unwrap();
        assert_eq!((more.count, more.like.as_str()), (2000 - u64::from(LINES), "no 0"));
        assert_eq!(flood(&mut repeats, now + WINDOW), LINES as usize);
        assert!(repeats.more(now + WINDOW, Told::All).is_some());
        assert_eq!(repeats.more(now + WINDOW, Told::All), None);
    }

    #[test]
    fn different_news_and_debug_lines_are_all_written() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        for n in 0..1000 {
            assert!(admit(&mut repeats, Level::Info, &format!("tunnel {n}"), now));
            assert!(admit(&mut repeats, Level::Debug, "same", now));
        }
        let same = (0..1000).filter(|_| admit(&mut repeats, Level::Info, "same", now)).count();
        assert_eq!(same, LINES as usize);
        assert!(repeats.kinds.len() <= KINDS);
    }
}
