//! The model within smaller bounds, and who may be mutated.

use mint_model::{report, small_configurations};

#[test]
fn every_configuration_holds() {
    let mut states = 0;
    let (passed, failed) = report::run(small_configurations(), None, 2, |run| {
        states += run.explored.states;
        assert!(run.explored.violations.is_empty(), "{}: {:?}", run.name, run.explored.violations);
    });
    assert_eq!((passed, failed), (small_configurations().len() + 1, 0));
    assert!(states > 5_000, "only {states} states were looked at: nothing went wrong that could have");
}

#[cfg(feature = "mutations")]
#[test]
fn every_mutation_of_the_model_is_caught() {
    use mint_types::mutation::{Catcher, Mutation, activate};
    for mutation in Mutation::ALL.iter().filter(|mutation| mutation.caught_by().contains(&Catcher::Model)) {
        activate(Some(*mutation));
        let caught = report::hunt(*mutation, 2);
        activate(None);
        assert!(caught.is_some(), "{mutation} is not noticed");
    }
}

#[test]
fn no_shipped_program_can_be_mutated() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut with_switches = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let features = package["features"].as_object().unwrap();
        let default = features.get("default").map(ToString::to_string).unwrap_or_default();
        assert!(!default.contains("mutations"), "{name} has the switches by default");
        if features.contains_key("mutations") {
            with_switches.push(name.to_owned());
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let enabled = dependency["features"].to_string();
            assert!(!enabled.contains("mutations"), "{name} enables the switches of {}", dependency["name"]);
        }
    }
    // the switches themselves, and packages of tests; no other feature of a shipped package may turn them on
    for name in &with_switches {
        let is_test = ["mint-types", "mint-model", "mint-sim", "mint-crash"].contains(&name.as_str());
        assert!(is_test, "{name} can be built with the switches");
    }
    assert!(with_switches.len() >= 2, "{with_switches:?}");
}
