//! One fixture for all tests of a file.
//!
//! A `static` is never dropped, so it must not own child processes: they would outlive the test
//! run. A [`Shared`] therefore lives as long as some running test holds a [`Lease`] of it, and is
//! made anew by the next one.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

/// A fixture that tests running at the same time share.
#[derive(Debug)]
pub struct Shared<T> {
    current: Mutex<Weak<T>>,
    make: fn() -> T,
}

/// A running test's hold on a fixture. If the test fails, it prints what the fixture reports.
#[derive(Debug)]
pub struct Lease<T: Report>(Arc<T>);

/// What can say how it is, for the message of a failed test.
pub trait Report {
    /// Some lines for a person: the end of each log, say.
    fn report(&self) -> String;
}

impl<T: Report> Shared<T> {
    /// A fixture that `make` will make when it is first needed.
    pub const fn new(make: fn() -> T) -> Self {
        Self { current: Mutex::new(Weak::new()), make }
    }

    /// Joins the running fixture, or starts it.
    pub fn lease(&self) -> Lease<T> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let fixture = current.upgrade().unwrap_or_else(|| {
            let fixture = Arc::new((self.make)());
            *current = Arc::downgrade(&fixture);
            fixture
        });
        Lease(fixture)
    }
}

impl<T: Report> Deref for Lease<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Report> Drop for Lease<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0.report());
        }
    }
}
