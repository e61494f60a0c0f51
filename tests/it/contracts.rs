//! Protos and permission files agree: every method has a row, every row has a method.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mint_tests::repository;
use prost_reflect::{DescriptorPool, Kind};

/// The directories below `services/`.
pub(crate) fn services() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(repository::root().join("services"))
        .expect("services/")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// The rows of a service's `rpc.json`.
pub(crate) fn rpc_rows(service: &str) -> BTreeMap<String, Vec<String>> {
    let path = repository::root().join("services").join(service).join("permissions/rpc.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(mint_api::DESCRIPTORS).expect("our own descriptors")
}

/// The service directory that serves a proto package.
fn directory_of(package: &str) -> &'static str {
    match package {
        "mint.registry.v1" => "registry-sync",
        "mint.identity.v1" => "identity-provisioner",
        "mint.rotation.v1" => "rotator",
        "mint.distribution.v1" => "distributor",
        "mint.coordination.v1" => "coordinator",
        "mint.audit.v1" => "audit",
        "mint.broker.v1" => "broker",
        other => panic!("{other} is served by nobody"),
    }
}

#[test]
fn every_method_has_a_row_and_every_row_a_method() {
    let mut methods: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for service in pool().services().filter(|service| service.full_name().starts_with("mint.")) {
        let directory = directory_of(service.parent_file().package_name());
        for method in service.methods() {
            methods.entry(directory).or_default().insert(format!(
                "{}/{}",
                service.full_name(),
                method.name()
            ));
        }
    }
    assert_eq!(methods.len(), 7);
    let common: BTreeSet<String> = [
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ]
    .map(ToOwned::to_owned)
    .into();
    for (directory, mut expected) in methods {
        expected.extend(common.iter().filter(|row| rpc_rows(directory).contains_key(*row)).cloned());
        let rows: BTreeSet<String> = rpc_rows(directory).into_keys().collect();
        assert_eq!(rows, expected, "services/{directory}/permissions/rpc.json");
        assert!(rows.is_superset(&common), "services/{directory}: health and reflection have their rows");
    }
}

#[test]
fn health_is_open_to_the_trust_domain_and_reflection_to_operators() {
    for service in
        ["registry-sync", "identity-provisioner", "rotator", "distributor", "coordinator", "audit", "broker"]
    {
        let rows = rpc_rows(service);
        assert_eq!(rows["grpc.health.v1.Health/Check"], ["*"], "{service}");
        assert_eq!(rows["grpc.health.v1.Health/Watch"], ["*"], "{service}");
        for version in ["v1", "v1alpha"] {
            let method = format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            assert_eq!(rows[&method], ["operator/*"], "{service}");
        }
    }
}

/// What operators say to an executor themselves, because it must not depend on the coordinator, and who else may.
/// None of it ends, makes or moves the credential of an application in use.
const OPERATORS_WORDS: [(&str, &[&str]); 4] = [
    // a statement that two operators signed
    ("mint.identity.v1.IdentityService/Release", &["operator/*"]),
    // changes nothing
    ("mint.identity.v1.IdentityService/PlanImport", &["operator/*"]),
    // a user that belongs to no application, within the budget of removals
    ("mint.identity.v1.IdentityService/RemoveIdentity", &["service/coordinator", "operator/*"]),
    // after a look at what the issuer did
    ("mint.rotation.v1.RotationService/ResumeIssuer", &["operator/*"]),
];

#[test]
fn only_the_coordinator_can_make_an_executor_act() {
    for (service, package) in [
        ("identity-provisioner", "mint.identity.v1.IdentityService"),
        ("rotator", "mint.rotation.v1.RotationService"),
        ("distributor", "mint.distribution.v1.DistributionService"),
    ] {
        for (method, principals) in rpc_rows(service) {
            let name = method.rsplit('/').next().expect("a method");
            let reads = name.starts_with("List") || name.starts_with("Get");
            if method.starts_with(package) && !reads {
                let word = OPERATORS_WORDS.iter().find(|(word, _)| *word == method);
                let expected = word.map_or(&["service/coordinator"][..], |(_, expected)| expected);
                assert_eq!(principals, expected, "{method}");
            }
        }
    }
}

/// Field names that would carry a credential, or could be taken for one.
const SECRET_WORDS: [&str; 6] =
    ["password", "secret", "txid", "credential_value", "plaintext", "access_token"];

#[test]
fn the_protos_of_the_identity_provisioner_have_no_field_for_a_credential() {
    let pool = pool();
    let messages =
        pool.all_messages().filter(|message| message.parent_file().package_name() == "mint.identity.v1");
    let mut seen = 0;
    for field in messages.flat_map(|message| message.fields().collect::<Vec<_>>()) {
        seen += 1;
        assert!(!matches!(field.kind(), Kind::Bytes), "{} is opaque", field.full_name());
        let named = SECRET_WORDS.iter().find(|word| field.name().contains(*word));
        assert_eq!(named, None, "{}", field.full_name());
    }
    assert!(seen > 20, "the messages are found");
}

#[test]
fn no_message_names_a_plaintext() {
    for message in pool().all_messages().filter(|message| message.full_name().starts_with("mint.")) {
        for field in message.fields() {
            let allowed = ["password_period"].contains(&field.name());
            let named = SECRET_WORDS.iter().find(|word| field.name().contains(*word));
            assert!(allowed || named.is_none(), "{}", field.full_name());
        }
    }
}
