//! The tree is the architecture: layout and dependency rule, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use mint_tests::repository;
use serde_json::Value;

/// A package of the workspace with the names of what it depends on directly.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) directory: String,
    pub(crate) normal: BTreeSet<String>,
    pub(crate) dev: BTreeSet<String>,
}

pub(crate) fn packages() -> BTreeMap<String, Package> {
    let root = repository::root();
    let output = std::process::Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(&root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let manifest = package["manifest_path"].as_str().expect("manifest path");
        let directory = manifest
            .strip_prefix(root.to_str().expect("UTF-8 path"))
            .expect("the package lies in the workspace")
            .trim_start_matches('/')
            .trim_end_matches("/Cargo.toml")
            .to_owned();
        let mut normal = BTreeSet::new();
        let mut dev = BTreeSet::new();
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let name = dependency["name"].as_str().expect("name").to_owned();
            match dependency["kind"].as_str() {
                Some("dev") => dev.insert(name),
                Some("build") => true,
                _ => normal.insert(name),
            };
        }
        packages
            .insert(package["name"].as_str().expect("name").to_owned(), Package { directory, normal, dev });
    }
    packages
}

/// Everything of the workspace that a package reaches through normal dependencies, itself included.
pub(crate) fn reachable(packages: &BTreeMap<String, Package>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        if let Some(package) = packages.get(&name).filter(|_| reached.insert(name.clone())) {
            open.extend(package.normal.iter().cloned());
        }
    }
    reached
}

#[test]
fn the_top_of_the_tree_holds_what_the_design_names_and_nothing_else() {
    let allowed: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "proto",
        "services",
        "libs",
        "deploy",
        "tests",
        "buf.yaml",
        "README.md",
        "clippy.toml",
        "deny.toml",
        "rustfmt.toml",
        "LICENSE",
    ]
    .into();
    let listed = std::process::Command::new("git")
        .args(["ls-tree", "--name-only", "HEAD"])
        .current_dir(repository::root())
        .output();
    let names: BTreeSet<String> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8(output.stdout).expect("UTF-8").lines().map(ToOwned::to_owned).collect()
        }
        // a source archive has no git: look at the directory, where cargo's own output is the one stranger
        _ => std::fs::read_dir(repository::root())
            .expect("readable")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
            .filter(|name| name != "target")
            .collect(),
    };
    let strangers: Vec<_> =
        names.iter().filter(|name| !name.starts_with('.') && !allowed.contains(name.as_str())).collect();
    assert!(strangers.is_empty(), "not named by the design: {strangers:?}");
    for name in ["proto", "services", "libs", "deploy", "tests", "buf.yaml", "README.md", "LICENSE"] {
        assert!(names.contains(name), "{name} is missing");
    }
}

#[test]
fn services_never_depend_on_services_and_libs_never_on_services() {
    let packages = packages();
    let services: BTreeSet<&String> = packages
        .iter()
        .filter(|(_, package)| package.directory.starts_with("services/"))
        .map(|(name, _)| name)
        .collect();
    assert!(services.len() >= 8, "the services are found: {services:?}");
    let is_test = |package: &Package| package.directory.split('/').next() == Some("tests");
    for (name, package) in packages.iter().filter(|(_, package)| !is_test(package)) {
        for dependency in package.normal.iter().chain(&package.dev) {
            assert!(!services.contains(dependency), "{name} depends on the service {dependency}");
            let tests = packages.get(dependency).is_some_and(is_test);
            assert!(!tests, "{name} depends on the tests {dependency}");
        }
    }
}

#[test]
fn directories_carry_no_prefix_and_packages_do() {
    for (name, package) in packages() {
        // below services, libs or tests; a package inside of another one's directory carries that one's name too
        let (_, below) = package.directory.split_once('/').unwrap_or(("", &package.directory));
        let expected =
            if below == "mint" { below.to_owned() } else { format!("mint-{}", below.replace('/', "-")) };
        assert_eq!(name, expected, "{}", package.directory);
    }
}

#[test]
fn types_depends_only_on_its_allow_list() {
    let allowed: BTreeSet<String> =
        ["jiff", "serde", "serde_json", "thiserror", "url", "uuid"].map(ToOwned::to_owned).into();
    let packages = packages();
    let strangers: Vec<_> = packages["mint-types"].normal.difference(&allowed).collect();
    assert!(strangers.is_empty(), "libs/types may not depend on {strangers:?}");
}

#[test]
fn pure_libraries_do_no_io() {
    let packages = packages();
    for pure in ["mint-types", "mint-permissions", "mint-policy", "mint-saga", "mint-invariants"] {
        for name in ["tokio", "hyper", "tonic", "sqlx", "async-trait", "reqwest", "axum"] {
            assert!(!packages[pure].normal.contains(name), "{pure} depends on {name}");
        }
    }
}

#[test]
fn each_sdk_is_linked_only_where_the_power_needs_it() {
    let rules: [(&str, &[&str]); 6] = [
        ("aws-sdk-s3", &["mint-distributor", "mint-berry"]),
        ("aws-sdk-sts", &["mint-aws"]),
        ("aws-sdk-iam", &[]),
        // the broker asks about sessions (RFC 7662)
        ("oauth2", &["mint-rotator", "mint-broker"]),
        ("mint-aws", &["mint-distributor", "mint-berry"]),
        ("sqlx", &["mint-store", "mint-testkit"]),
    ];
    for (name, package) in packages().iter().filter(|(_, package)| package.directory != "tests") {
        for (dependency, owners) in rules {
            let linked = package.normal.contains(dependency);
            assert!(!linked || owners.contains(&name.as_str()), "{name} links {dependency}");
        }
    }
}

#[test]
fn test_support_is_linked_by_no_program() {
    for (name, package) in &packages() {
        assert!(
            package.directory == "tests" || !package.normal.contains("mint-testkit"),
            "{name} depends on mint-testkit outside its tests"
        );
    }
}

#[test]
fn the_operators_binary_links_neither_services_nor_the_sandbox() {
    let packages = packages();
    let reached = reachable(&packages, "mint");
    for name in &reached {
        let directory = &packages[name].directory;
        assert!(name == "mint" || directory.starts_with("libs/"), "mint links {name}");
    }
    for stranger in ["mint-sandbox", "mint-secret", "mint-aws", "mint-store"] {
        assert!(!reached.contains(stranger), "mint links {stranger}");
    }
}
