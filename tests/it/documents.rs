//! What is promised in prose names the test that shows it, and that test exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mint_tests::repository;

/// Where the README says what becomes of failures.
const FAILURES: &str = "## What happens when…";

fn sources_below(directory: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            found.insert(path, text);
        }
    }
}

fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for directory in ["libs", "services", "tests"] {
        sources_below(&repository::root().join(directory), &mut found);
    }
    found
}

/// The name of the function that a line declares.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// The functions that carry a test attribute.
fn tests_of(sources: &BTreeMap<PathBuf, String>) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    for text in sources.values() {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= ["#[test]", "#[tokio::test"].iter().any(|attribute| line.starts_with(attribute));
            if let Some(name) = declared(line) {
                tests.extend(is_test.then_some(name));
                is_test = false;
            }
        }
    }
    tests
}

/// What stands between backticks and is a sentence.
fn named(text: &str) -> BTreeSet<&str> {
    let is_sentence = |name: &&str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        name.bytes().all(plain) && name.matches('_').count() >= 2
    };
    text.split('`').skip(1).step_by(2).filter(is_sentence).collect()
}

/// The points of a crate header's list of what never happens.
fn nevers(source: &str) -> Vec<String> {
    let header = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let mut points: Vec<String> = Vec::new();
    for line in header.skip_while(|line| *line != "# Never").skip(1).take_while(|line| !line.starts_with('#'))
    {
        match (line.strip_prefix("- "), points.last_mut()) {
            (Some(point), _) => points.push(point.to_owned()),
            (None, Some(point)) => point.push_str(line),
            (None, None) => {}
        }
    }
    points
}

#[test]
fn everything_that_a_crate_never_does_names_a_test_that_exists() {
    let sources = sources();
    let tests = tests_of(&sources);
    assert!(tests.len() > 500, "the tests are found: {}", tests.len());
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, source) in &sources {
        for point in nevers(source) {
            seen += 1;
            let names = named(&point);
            let is_shown_otherwise = ["the same test", "CI builds"].iter().any(|words| point.contains(words));
            if names.is_empty() && !is_shown_otherwise {
                wrong.push(format!("{}: no test: {point}", path.display()));
            }
            let missing = names.into_iter().filter(|name| !tests.contains(name));
            wrong.extend(missing.map(|name| format!("{}: there is no {name}", path.display())));
        }
    }
    assert!(seen > 100, "the headers are found: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_failure_in_the_readme_names_a_test_that_exists() {
    let readme = std::fs::read_to_string(repository::root().join("README.md")).expect("readable");
    let sources = sources();
    let tests = tests_of(&sources);
    let section = readme.lines().skip_while(|line| *line != FAILURES).skip(1);
    // the first two lines of a table are its head
    let rows: Vec<&str> = section
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .collect();
    assert!(rows.len() >= 20, "the table is found: {}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "what, then, shown by: {row}");
        let names = named(cells[2]);
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(tests.contains(name), "there is no {name}: {row}");
        }
    }
}
