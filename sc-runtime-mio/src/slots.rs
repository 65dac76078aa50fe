//! A table indexed by [`SocketId::index`], which keeps the id to tell generations apart.
//!
//! Both runtimes are built with this file.

use sc_proto::SocketId;

/// Largest index of a socket or listener in a worker.
pub(crate) const MAX_INDEX: usize = (1 << 24) - 2;

/// What a worker keeps per [`SocketId`]. An id of another generation finds nothing.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<Option<(SocketId, T)>>,
}

/// The core gave out an index beyond [`MAX_INDEX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexTooLarge;

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Puts `value` in; what an earlier generation left there is dropped.
    pub(crate) fn insert(&mut self, id: SocketId, value: T) -> Result<(), IndexTooLarge> {
        let index = id.index();
        if index > MAX_INDEX {
            return Err(IndexTooLarge);
        }
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        if let Some(entry) = self.entries.get_mut(index) {
            *entry = Some((id, value));
        }
        Ok(())
    }

    pub(crate) fn get_mut(&mut self, id: SocketId) -> Option<&mut T> {
        match self.at_mut(id.index()) {
            Some((held, value)) if held == id => Some(value),
            _ => None,
        }
    }

    /// Whoever is at `index` now.
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<(SocketId, &mut T)> {
        let (id, value) = self.entries.get_mut(index)?.as_mut()?;
        Some((*id, value))
    }

    pub(crate) fn remove(&mut self, id: SocketId) -> Option<T> {
        let entry = self.entries.get_mut(id.index())?;
        let (_, value) = entry.take_if(|(held, _)| *held == id)?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_finds_nothing() {
        let mut slots = Slots::new();
        let (old, new) = (SocketId::from_parts(3, 1), SocketId::from_parts(3, 2));
        slots.insert(old, "old").unwrap();
        assert_eq!(slots.remove(new), None);
        assert_eq!(slots.remove(old), Some("old"));
        slots.insert(new, "new").unwrap();
        assert_eq!(slots.get_mut(old), None);
        assert_eq!(slots.remove(old), None);
        assert_eq!(slots.at_mut(3), Some((new, &mut "new")));
        assert_eq!(slots.at_mut(0), None);
        assert_eq!(slots.at_mut(4), None);
    }

    #[test]
    fn a_wild_index_is_refused() {
        let id = SocketId::from_parts(u32::MAX, 0);
        assert_eq!(Slots::new().insert(id, ()), Err(IndexTooLarge));
    }
}
