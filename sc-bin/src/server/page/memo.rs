//! What was found out last, so that a page that is followed does not ask the registry each second for
//! what has not changed.

use std::sync::{Mutex, PoisonError};

/// The last answer, and what the question was.
#[derive(Debug)]
pub(super) struct Memo<Key, Value>(Mutex<Option<(Key, Value)>>);

impl<Key, Value> Default for Memo<Key, Value> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Key: PartialEq, Value: Clone> Memo<Key, Value> {
    /// The answer, if that was the question.
    pub(super) fn get(&self, key: &Key) -> Option<Value> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(of, _)| of == key).map(|(_, value)| value.clone())
    }

    /// Keeps an answer in place of the last one.
    pub(super) fn set(&self, key: Key, value: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_question_has_the_same_answer() {
        let memo = Memo::default();
        assert_eq!(memo.get(&1), None);
        memo.set(1, "one");
        assert_eq!((memo.get(&1), memo.get(&2)), (Some("one"), None));
        memo.set(2, "two");
        assert_eq!((memo.get(&1), memo.get(&2)), (None, Some("two")));
    }
}
