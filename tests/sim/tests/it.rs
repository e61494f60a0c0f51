//! The simulation repeats itself, finds what it is meant to find, and forgets nothing that it found.

use mint_sim::{Outcome, Plan, parse_seed, run};

fn live(seed: u64, rotations: u64, fault_rate: u64) -> Outcome {
    run(&Plan { seed, rotations, fault_rate, trace: false })
}

#[test]
fn a_world_rotates_and_its_applications_log_in() {
    let outcome = live(1, 40, 0);
    assert!(outcome.tally.rotations >= 40, "{:?}", outcome.tally);
    assert!(outcome.tally.logins >= 3 * outcome.tally.rotations, "{:?}", outcome.tally);
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

#[test]
fn no_shipped_binary_has_the_simulated_engine() {
    let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../../services");
    let mut looked = 0;
    for entry in std::fs::read_dir(services).expect("services") {
        let manifest = entry.expect("an entry").path().join("Cargo.toml");
        if !manifest.exists() {
            continue;
        }
        let tree = std::process::Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--offline",
                "-e",
                "normal,features",
                "--prefix",
                "none",
                "--manifest-path",
            ])
            .arg(&manifest)
            .output()
            .expect("cargo runs");
        let tree = String::from_utf8(tree.stdout).expect("UTF-8");
        assert!(tree.contains("mint-types"), "{}: {tree}", manifest.display());
        for stranger in ["rusqlite", "mint-store feature \"simulated\""] {
            assert!(!tree.contains(stranger), "{} has {stranger}", manifest.display());
        }
        looked += 1;
    }
    assert!(looked >= 8, "{looked} services");
}
