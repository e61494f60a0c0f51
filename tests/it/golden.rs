//! Golden files: what a security review reads. `MINT_UPDATE_GOLDEN=1 cargo test -p mint-tests golden` writes the derived
//! ones anew; the reasons in `call-graph.txt` are written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use mint_tests::repository;

use crate::contracts::{rpc_rows, services};
use crate::workspace::{packages, reachable};

fn compare(file: &str, actual: &str) {
    let path = repository::root().join("tests/golden").join(file);
    if std::env::var_os("MINT_UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).expect("the golden file is writable");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, actual, "{} differs; review, then MINT_UPDATE_GOLDEN=1", path.display());
}

#[test]
fn the_permission_matrix_is_the_reviewed_one() {
    let mut text = String::from(
        "# Who may do what. Derived from services/*/permissions; a diff here is a security review.\n",
    );
    for service in services() {
        writeln!(text, "\n[{service}]").expect("writes to a string");
        let directory = repository::root().join("services").join(&service).join("permissions");
        let policy: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(directory.join("aws.json")).expect("aws.json"))
                .expect("JSON");
        let statements = policy["Statement"].as_array().expect("Statement is a list");
        if statements.is_empty() {
            writeln!(text, "aws  nothing").expect("writes to a string");
        }
        for statement in statements {
            writeln!(
                text,
                "aws  {} {} on {}{}",
                statement["Effect"].as_str().expect("Effect"),
                flat(&statement["Action"]),
                flat(&statement["Resource"]),
                statement.get("Condition").map(|condition| format!(" if {condition}")).unwrap_or_default(),
            )
            .expect("writes to a string");
        }
        for (method, principals) in rpc_rows(&service) {
            writeln!(text, "rpc  {method}  <- {}", principals.join(", ")).expect("writes to a string");
        }
        if let Ok(sql) = fs::read_to_string(directory.join("postgres.sql")) {
            let code: Vec<&str> =
                sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
            for statement in code.join(" ").split(';') {
                let words: Vec<&str> = statement.split_whitespace().collect();
                // grants on tables stand inside a `DO` block: they are applied once the tables exist
                if let Some(start) = words.iter().position(|word| word.eq_ignore_ascii_case("grant")) {
                    writeln!(text, "sql  {}", words[start..].join(" ")).expect("writes to a string");
                }
            }
        }
    }
    compare("permission-matrix.txt", &text);
}

fn flat(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[test]
fn the_call_graph_is_the_reviewed_one_and_every_edge_has_its_reason() {
    let mut edges: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for callee in services() {
        for (method, principals) in rpc_rows(&callee) {
            if method.starts_with("grpc.") {
                continue;
            }
            let name = method.rsplit('/').next().expect("a method").to_owned();
            for principal in principals {
                let caller = principal.strip_prefix("service/").unwrap_or(&principal).to_owned();
                edges.entry((caller, callee.clone())).or_default().insert(name.clone());
            }
        }
    }
    let derived: BTreeSet<String> = edges
        .into_iter()
        .map(|((caller, callee), methods)| {
            format!("{caller} -> {callee}: {}", methods.into_iter().collect::<Vec<_>>().join(", "))
        })
        .collect();
    let path = repository::root().join("tests/golden/call-graph.txt");
    let golden = fs::read_to_string(&path).expect("call-graph.txt");
    let mut reviewed = BTreeSet::new();
    for line in golden.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (edge, reason) = line.split_once("  # ").unwrap_or((line, ""));
        assert!(reason.len() > 10, "no reason is given for the edge {edge:?}");
        reviewed.insert(edge.trim().to_owned());
    }
    assert_eq!(reviewed, derived, "{}: left is reviewed, right is what rpc.json allows", path.display());
}

#[test]
fn plaintext_is_reachable_from_its_carriers_only() {
    let packages = packages();
    let carriers: Vec<String> = packages
        .iter()
        .filter(|(_, package)| package.directory.starts_with("services/"))
        .filter(|(name, _)| reachable(&packages, name).contains("mint-secret"))
        .map(|(_, package)| package.directory.clone())
        .collect();
    let text = format!(
        "# The processes whose memory may hold a credential's plaintext: those that link libs/secret.\n{}\n",
        carriers.join("\n")
    );
    compare("plaintext-carriers.txt", &text);
}
