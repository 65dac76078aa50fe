//! What has happened to a tunnel's connections of late, as people read it on its page.

use std::collections::VecDeque;

use sc_proto::contract::TunnelId;

use super::Tunnels;

/// Most that are kept of a tunnel. The oldest make room.
const MAX_KEPT: usize = 50;
/// Longest text, in characters.
const MAX_TEXT: usize = 200;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// When, in Unix seconds.
    pub(crate) time: u64,
    /// What, as the log has it.
    pub(crate) text: String,
}

/// The last ones of a tunnel, oldest first.
#[derive(Debug, Default)]
pub(super) struct Happenings(VecDeque<Happening>);

impl Happenings {
    /// One more.
    pub(super) fn add(&mut self, time: u64, text: String) {
        if self.0.len() >= MAX_KEPT {
            self.0.pop_front();
        }
        let text = text.trim_start_matches([',', ' ']).chars().take(MAX_TEXT).collect();
        self.0.push_back(Happening { time, text });
    }
}

impl Tunnels {
    /// What has happened to the connections of a tunnel that has not ended, oldest first.
    pub(crate) fn happenings(&self, id: TunnelId) -> Vec<Happening> {
        let state = self.state();
        let kept = state.live.get(&id).map(|live| &live.happenings.0);
        kept.into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_none_is_long() {
        let mut happenings = Happenings::default();
        for time in 0..=MAX_KEPT as u64 {
            happenings.add(time, format!(", connection: {}", "é".repeat(500)));
        }
        assert_eq!(happenings.0.len(), MAX_KEPT);
        assert_eq!(happenings.0[0].time, 1);
        assert!(happenings.0[0].text.starts_with("connection: "));
        assert_eq!(happenings.0[0].text.chars().count(), MAX_TEXT);
    }
}
