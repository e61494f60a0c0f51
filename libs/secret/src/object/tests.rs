use mint_types::{Timestamp, VersionId};

use super::*;
use crate::testing::Noise;

fn stamp() -> Stamp {
    Stamp { version_id: VersionId::random(&Noise::new(1)), issued_at: Timestamp::from_unix_micros(1_000_000) }
}

fn secret(text: &str) -> SecretValue {
    SecretValue::new(text.to_owned())
}

fn json(body: &ObjectBody) -> serde_json::Value {
    serde_json::from_slice(body.expose()).unwrap()
}

#[test]
fn objects_have_the_fields_that_applications_rely_on() {
    let stamp = stamp();
    let version = stamp.version_id.to_string();
    let issued_at = "1970-01-01T00:00:01Z";
    assert_eq!(
        json(&ObjectBody::user("stups_shop", &secret("p"), stamp).unwrap()),
        serde_json::json!({"application_username": "stups_shop", "application_password": "p",
            "version": version, "issued_at": issued_at})
    );
    assert_eq!(
        json(&ObjectBody::client("id", None, stamp).unwrap()),
        serde_json::json!({"client_id": "id", "client_secret": null, "version": version, "issued_at": issued_at})
    );
    assert_eq!(
        json(&ObjectBody::combined("stups_shop", &secret("p"), "id", &secret("s"), stamp).unwrap()),
        serde_json::json!({"application_username": "stups_shop", "application_password": "p", "client_id": "id",
            "client_secret": "s", "version": version, "issued_at": issued_at})
    );
}

#[test]
fn what_is_built_is_parsed_back() {
    let nasty = "a\"b\\c\n\u{1}ü€😀";
    let body = ObjectBody::combined("u", &secret(nasty), "id", &secret(&nasty.repeat(40)), stamp()).unwrap();
    let Object::Combined { username, password, client_id, client_secret, version } =
        parse(CredentialKind::Combined, body.expose()).unwrap()
    else {
        panic!("another shape");
    };
    assert_eq!((username.as_str(), password.expose(), client_id.as_str()), ("u", nasty, "id"));
    assert_eq!(client_secret.unwrap().expose(), nasty.repeat(40));
    assert_eq!(version, Some(stamp().version_id.to_string()));
}

#[test]
fn only_objects_of_the_right_shape_are_accepted() {
    let refused = [
        (CredentialKind::Password, "[]"),
        (CredentialKind::Password, "[\"u\", \"p\"]"),
        (CredentialKind::Password, ""),
        (CredentialKind::Password, "null"),
        (CredentialKind::Password, "<html>"),
        (CredentialKind::Password, "{}"),
        (CredentialKind::Password, r#"{"application_username": "u"}"#),
        (CredentialKind::Password, r#"{"application_username": "u", "application_password": ""}"#),
        (CredentialKind::Password, r#"{"application_username": "u", "application_password": null}"#),
        (CredentialKind::Password, r#"{"application_username": 1, "application_password": "p"}"#),
        (CredentialKind::Password, r#"{"application_username": "u", "application_password": "p"} x"#),
        (CredentialKind::Password, r#"{"client_id": "i", "client_secret": "s"}"#),
        (CredentialKind::Client, r#"{"client_id": "i"}"#),
        (CredentialKind::Client, r#"{"client_id": "", "client_secret": null}"#),
        (CredentialKind::Client, r#"{"client_id": "i", "client_secret": ""}"#),
        (CredentialKind::Client, r#"{"client_id": "i", "client_secret": "s", "client_secret": "t"}"#),
        (CredentialKind::Combined, r#"{"client_id": "i", "client_secret": "s"}"#),
    ];
    for (kind, text) in refused {
        assert!(parse(kind, text.as_bytes()).is_err(), "{kind} {text}");
    }
    let accepted = [
        (
            CredentialKind::Password,
            r#" {"application_username": "u", "application_password": "p", "more": [1]}"#,
        ),
        (CredentialKind::PublicClient, r#"{"client_id": "i", "client_secret": null}"#),
        (CredentialKind::Client, r#"{"client_id": "i", "client_secret": "s"}"#),
    ];
    for (kind, text) in accepted {
        assert!(parse(kind, text.as_bytes()).is_ok(), "{kind} {text}");
    }
}

#[test]
fn a_tombstone_is_told_from_an_object() {
    let text = br#"{"mint_tombstone": true, "since": "2026-01-01T00:00:00Z"}"#;
    for kind in CredentialKind::ALL {
        assert!(matches!(parse(kind, text), Ok(Object::Tombstone)));
    }
}

#[test]
fn a_refusal_shows_nothing_of_the_object() {
    let text = br#"{"application_username": "u", "application_password": ["mint-canary-pw-x"]}"#;
    let refused = parse(CredentialKind::Password, text).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("canary"));
    let body = ObjectBody::user("u", &secret("mint-canary-pw-x"), stamp()).unwrap();
    assert!(!format!("{body:?}").contains("canary"));
    let object = parse(CredentialKind::Password, body.expose()).unwrap();
    assert!(!format!("{object:?}").contains("canary"));
}
