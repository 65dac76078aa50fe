//! Which records are written.

use log::{LevelFilter, Metadata};

/// Levels by where a record comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    usual: LevelFilter,
    /// For records whose target begins so; the longest beginning counts.
    by_target: Vec<(String, LevelFilter)>,
}

impl Filter {
    /// One level for all.
    pub(crate) fn new(usual: LevelFilter) -> Self {
        Self { usual, by_target: Vec::new() }
    }

    /// Takes what a text says, as `debug` or `warn,sc_proto=debug`. What cannot be read in it
    /// changes nothing.
    pub(crate) fn changed_by(mut self, text: &str) -> Self {
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => self.usual = part.parse().unwrap_or(self.usual),
                Some((target, level)) => {
                    let known = level.trim().parse().map(|level| (target.trim().to_owned(), level));
                    self.by_target.extend(known);
                }
            }
        }
        self.by_target.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        self
    }

    /// The most that any record may have.
    pub(super) fn most(&self) -> LevelFilter {
        self.by_target
            .iter()
            .map(|(_, level)| *level)
            .chain([self.usual])
            .max()
            .unwrap_or(self.usual)
    }

    /// Whether a record is written.
    pub(super) fn takes(&self, record: &Metadata<'_>) -> bool {
        let found = self.by_target.iter().find(|(target, _)| record.target().starts_with(target));
        record.level() <= found.map_or(self.usual, |(_, level)| *level)
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_nonsense_changes_nothing() {
        let filter =
            Filter::new(LevelFilter::Info).changed_by("warn, sc=info,sc_proto=debug,?,x=y");
        let takes =
            |target, level| filter.takes(&Metadata::builder().target(target).level(level).build());
        assert!(takes("sc_proto::kgp", Level::Debug));
        assert!(takes("sc::client", Level::Info) && !takes("sc::client", Level::Debug));
        assert!(takes("ureq", Level::Warn) && !takes("ureq", Level::Info));
        assert_eq!(filter.most(), LevelFilter::Debug);
        assert_eq!(Filter::new(LevelFilter::Info).changed_by(""), Filter::new(LevelFilter::Info));
    }
}
