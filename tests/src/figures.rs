//! Measured numbers, told to whoever runs the tests.

use std::io::Write as _;

/// Prints one line about a measurement, also when the test passes (the test runner holds back
/// what passing tests print by `println!`).
pub fn tell(text: &str) {
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "\nmeasured: {text}");
}
