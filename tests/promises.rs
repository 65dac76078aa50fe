//! What the table of docs/proxying.md promises: each test that it names is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Where tests stand.
const FOLDERS: [&str; 7] = [
    "tests",
    "fuzz/fuzz_targets",
    "sc-proto/src",
    "sc-proto/tests",
    "sc-bin/src",
    "sc-runtime-mio/src",
    "sc-runtime-smol/src",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of all Rust files of a folder and those below it, each behind its name.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("the folders of tests exist") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            sources(&path, all);
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && name.ends_with(".rs")
        {
            all.push_str(&format!("\nfile {name}\n"));
            all.push_str(&fs::read_to_string(&path).expect("a source is text"));
        }
    }
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// A test, a file of tests, a module's path, or a folder.
fn is_there(word: &str, sources: &str) -> bool {
    let last = word.rsplit("::").find(|part| *part != "tests").unwrap_or(word);
    sources.contains(&format!("fn {word}("))
        || sources.contains(&format!("\nfile {last}.rs\n"))
        || root().join(word).exists()
}

#[test]
fn every_test_that_the_page_about_proxies_names_is_there() {
    let page = fs::read_to_string(root().join("docs/proxying.md")).expect("the page");
    let (_, tables) = page.split_once("\n## Rows and tests\n").expect("the head of the tables");
    let mut all = String::new();
    FOLDERS.iter().for_each(|folder| sources(&root().join(folder), &mut all));
    let (mut rows, mut wrong) = (0, Vec::new());
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| ---");
    for row in tables.lines().filter(is_row) {
        let Some((_, tests)) = row.trim_end_matches(" |").rsplit_once(" | ") else { continue };
        if tests == "test" {
            continue;
        }
        rows += 1;
        if tests.starts_with("none: ") {
            continue;
        }
        let missing: Vec<_> = quoted(tests).filter(|word| !is_there(word, &all)).collect();
        let says_something = quoted(tests).next().is_some();
        if !missing.is_empty() || !says_something {
            wrong.push(format!("{missing:?} in {row}"));
        }
    }
    assert!(wrong.is_empty(), "named and not there, or neither a test nor `none: why`: {wrong:#?}");
    assert!(rows > 20, "the tables are read: {rows} rows");
}
