//! A table with generations: keys of removed entries never name later ones.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

/// Names an entry of a [`Slab`] of `T`. Stale keys find nothing.
pub(crate) struct Key<T> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    pub(crate) fn from_parts(index: u32, generation: u32) -> Self {
        Self { index, generation, of: PhantomData }
    }

    /// Names nothing, now or later.
    pub(crate) fn dangling() -> Self {
        Self::from_parts(u32::MAX, u32::MAX)
    }

    pub(crate) fn parts(self) -> (u32, u32) {
        (self.index, self.generation)
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}
impl<T> Eq for Key<T> {}
impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.parts().cmp(&other.parts())
    }
}
impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// The table. Its memory follows the most entries it ever held at once.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> Key<T> {
        if let Some(index) = self.free.pop()
            && let Some(entry) = self.entries.get_mut(index as usize)
        {
            entry.value = Some(value);
            return Key::from_parts(index, entry.generation);
        }
        let index = self.entries.len() as u32;
        self.entries.push(Entry { generation: 0, value: Some(value) });
        Key::from_parts(index, 0)
    }

    pub(crate) fn get(&self, key: Key<T>) -> Option<&T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: Key<T>) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// All entries in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| {
            let key = Key::from_parts(index as u32, entry.generation);
            entry.value.as_ref().map(|value| (key, value))
        })
    }

    /// All entries in the order of their slots, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Key<T>, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(index, entry)| {
            let key = Key::from_parts(index as u32, entry.generation);
            entry.value.as_mut().map(|value| (key, value))
        })
    }

    /// The keys of all entries, collected so that the table may be changed meanwhile.
    pub(crate) fn keys(&self) -> Vec<Key<T>> {
        self.iter().map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_key_finds_nothing_even_after_reuse() {
        let mut slab = Slab::new();
        let first = slab.insert(1);
        assert_eq!(slab.remove(first), Some(1));
        assert_eq!(slab.remove(first), None);
        let second = slab.insert(2);
        assert_eq!(first.parts().0, second.parts().0, "the slot is used again");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 2));
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.keys(), [second]);
    }
}
