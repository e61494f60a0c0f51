//! The simulation repeats itself, finds what it is meant to find, and forgets nothing that it found.

use std::time::Duration;

use mint_sim::{Manner, Moment, Outcome, Plan, Tally, parse_seed, run};

fn live(seed: u64, rotations: u64, fault_rate: u64) -> Outcome {
    run(&Plan { seed, rotations, fault_rate, operators: false, trace: false })
}

#[test]
fn a_world_rotates_and_its_applications_log_in() {
    let outcome = live(1, 40, 0);
    assert!(outcome.tally.rotations >= 40, "{:?}", outcome.tally);
    for moment in [Moment::BeforeDelivery, Moment::Delivered, Moment::Complete] {
        let logins = outcome.tally.logins_at.get(&moment).copied().unwrap_or(0);
        assert!(logins >= outcome.tally.rotations, "{moment:?}: {:?}", outcome.tally);
    }
    assert!(outcome.tally.faults.is_empty(), "{:?}", outcome.tally);
    assert!(outcome.tally.is_clean(), "{:?}", outcome.tally.violations);
}

#[test]
fn a_world_full_of_faults_heals() {
    let outcome = live(2, 60, 100_000);
    assert!(outcome.tally.faults.values().sum::<u64>() > 60, "{:?}", outcome.tally);
    assert!(outcome.tally.is_clean(), "{:?}", outcome.tally.violations);
}

#[test]
fn a_value_that_replaces_the_other_is_set_in_time() {
    // the first seed whose world has an issuer with one value at a time
    let outcome = (1..100)
        .map(|seed| live(seed, 40, 0))
        .find(|lived| lived.tally.rotations_at.contains_key(&Manner::Glewlwyd));
    let tally = outcome.expect("one world in three has it").tally;
    assert!(tally.is_clean(), "{:?}", tally.violations);
    assert!(tally.windows > 0 && tally.logins_in_windows > 0, "{tally:?}");
    assert!(tally.longest_window < Duration::from_secs(30), "{tally:?}");
}

#[test]
fn what_two_operators_have_ended_is_dead_and_everybody_logs_in_again() {
    let lived: Vec<Tally> = (1..=3)
        .map(|seed| {
            run(&Plan { seed, rotations: 60, fault_rate: 50_000, operators: true, trace: false }).tally
        })
        .collect();
    for tally in &lived {
        assert!(tally.is_clean(), "{:?}", tally.violations);
    }
    let sum = |of: fn(&Tally) -> u64| lived.iter().map(of).sum::<u64>();
    assert!(sum(|tally| tally.revocations) > 0, "{lived:?}");
    assert!(sum(|tally| tally.logins_ended) > 0, "{lived:?}");
    assert!(sum(|tally| tally.comparisons) > 0, "{lived:?}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let (one, same) = (live(7, 30, 50_000), live(7, 30, 50_000));
    assert_eq!(one.hash, same.hash);
    assert_eq!(one.tally.logins, same.tally.logins);
    assert_ne!(one.hash, live(8, 30, 50_000).hash, "a hash over nothing is always the same");
}

#[test]
fn every_seed_that_once_failed_passes() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds");
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(directory).expect("seeds are kept") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a seed is a text");
        let plan = parse_seed(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        let outcome = run(&plan);
        if !outcome.tally.is_clean() {
            failed.push((path, outcome.tally.violations));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// What a package of the workspace is built from: its own source, and whatever it links, with every feature that any
/// other package of the workspace asks for, as `cargo build --workspace` unifies them.
fn linked_into(package: &str) -> String {
    let tree = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-e",
            "normal,build,features",
            "--prefix",
            "none",
            "--package",
            package,
        ])
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{package}: {}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).expect("UTF-8")
}

#[test]
fn no_shipped_binary_has_the_simulated_engine() {
    let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../../services");
    let mut looked = 0;
    for entry in std::fs::read_dir(services).expect("services") {
        let directory = entry.expect("an entry");
        if !directory.path().join("Cargo.toml").exists() {
            continue;
        }
        let name = directory.file_name().into_string().expect("UTF-8");
        let package = if name == "mint" { name } else { format!("mint-{name}") };
        let tree = linked_into(&package);
        assert!(tree.contains("mint-types"), "{package}: {tree}");
        for stranger in ["rusqlite", "mint-sim"] {
            assert!(!tree.contains(stranger), "{package} has {stranger}");
        }
        looked += 1;
    }
    assert!(looked >= 8, "{looked} services");
    assert!(linked_into("mint-sim").contains("rusqlite"), "whoever is looked for is there to be found");
    // and what they share has no switch that a build of the whole workspace could turn on
    let store = include_str!("../../../libs/store/Cargo.toml");
    assert!(!store.contains("[features]") && !store.contains("rusqlite"), "{store}");
}
