use std::time::Duration;

use mint_types::Entropy;

use super::*;
use crate::{Subject, TrustedKey};

#[derive(Debug)]
struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn key(signer: &str, seed: u8) -> StatementKey {
    StatementKey::from_seed(signer.parse().unwrap(), &[seed; 32]).unwrap()
}

fn trusted(keys: &[&StatementKey]) -> TrustedKeys {
    let entries: Vec<TrustedKey> = keys.iter().map(|key| key.trusted()).collect();
    TrustedKeys::parse(&TrustedKeys::to_text(entries)).unwrap()
}

fn release() -> Statement {
    let subject = Subject::RegistryRelease { acts: 7, applications: ["shop".parse().unwrap()].into() };
    Statement::new(subject, NOW, HOUR, &Fixed(9))
}

#[test]
fn a_statement_reads_back_with_its_signers() {
    let (ada, bea) = (key("operator/ada", 1), key("operator/bea", 2));
    let bytes = SignedStatement::sign(release(), &ada).unwrap().signed_by(&bea).to_bytes();
    let verified = SignedStatement::parse(&bytes).unwrap().verify(&trusted(&[&ada, &bea]), NOW).unwrap();
    assert_eq!(verified.signers().len(), 2);
    assert_eq!(verified.by_two_operators().unwrap(), release());
}

#[test]
fn a_statement_with_any_byte_changed_is_refused() {
    let ada = key("operator/ada", 1);
    let believed = trusted(&[&ada]);
    let signed = SignedStatement::sign(release(), &ada).unwrap();
    let genuine = signed.clone().verify(&believed, NOW).unwrap();
    for index in 0..signed.payload.len() {
        let mut payload = signed.payload.clone();
        payload[index] ^= 1;
        let Ok(statement) = serde_json::from_slice(&payload) else { continue };
        let changed = SignedStatement { payload, statement, signatures: signed.signatures.clone() };
        assert!(changed.verify(&believed, NOW).is_err(), "byte {index}");
    }
    let bytes = signed.to_bytes();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let read = SignedStatement::parse(&changed).and_then(|read| read.verify(&believed, NOW));
        assert!(read.is_err() || read.is_ok_and(|read| read == genuine), "byte {index}");
    }
}

#[test]
fn two_signatures_of_one_operator_are_one_signer() {
    let (ada, ada_again, bea) = (key("operator/ada", 1), key("operator/ada", 2), key("operator/bea", 3));
    let believed = trusted(&[&ada, &ada_again, &bea]);
    let signed = SignedStatement::sign(release(), &ada).unwrap().signed_by(&ada_again);
    let verified = signed.clone().verify(&believed, NOW).unwrap();
    let refused = verified.by_two_operators().unwrap_err();
    assert_eq!(refused.reason(), "STATEMENT_SIGNERS_MISSING");
    let verified = signed.signed_by(&bea).verify(&believed, NOW).unwrap();
    assert!(verified.by_two_operators().is_ok());
}

#[test]
fn a_stranger_signs_nothing() {
    let (ada, stranger) = (key("operator/ada", 1), key("operator/ada", 4));
    let by_stranger = SignedStatement::sign(release(), &stranger).unwrap();
    let refused = by_stranger.clone().verify(&trusted(&[&ada]), NOW).unwrap_err();
    assert_eq!(refused.reason(), "STATEMENT_UNTRUSTED");
    // naming a trusted key does not help
    let mut claimed = by_stranger;
    claimed.signatures[0].0 = ada.key_id();
    let refused = claimed.verify(&trusted(&[&ada]), NOW).unwrap_err();
    assert_eq!(refused.reason(), "STATEMENT_BAD_SIGNATURE");
    // nobody is trusted: nobody is believed
    let refused = SignedStatement::sign(release(), &ada).unwrap().verify(&TrustedKeys::default(), NOW);
    assert_eq!(refused.unwrap_err().reason(), "STATEMENT_UNTRUSTED");
}

#[test]
fn the_right_signers_are_asked_for() {
    let keys = [key("operator/ada", 1), key("team/shipping", 2), key("service/identity-provisioner", 3)];
    let believed = trusted(&keys.iter().collect::<Vec<_>>());
    let by = |index: usize| {
        SignedStatement::sign(release(), &keys[index]).unwrap().verify(&believed, NOW).unwrap()
    };
    let (shipping, billing) = ("shipping".parse().unwrap(), "billing".parse().unwrap());
    assert!(by(0).by_owner_or_operator(&billing).is_ok());
    assert!(by(1).by_owner_or_operator(&shipping).is_ok());
    assert!(by(1).by_owner_or_operator(&billing).is_err());
    assert!(by(2).by_owner_or_operator(&shipping).is_err());
    assert!(by(0).by_an_operator().is_ok());
    assert!(by(1).by_an_operator().is_err());
    assert!(by(2).by_service(ServiceName::IdentityProvisioner).is_ok());
    assert!(by(2).by_service(ServiceName::Rotator).is_err());
    assert!(by(0).by_service(ServiceName::IdentityProvisioner).is_err());
}

#[test]
fn time_bounds_a_statement() {
    let ada = key("operator/ada", 1);
    let believed = trusted(&[&ada]);
    let signed = SignedStatement::sign(release(), &ada).unwrap();
    let micro = Duration::from_micros(1);
    assert!(signed.clone().verify(&believed, NOW.plus(HOUR.saturating_sub(micro))).is_ok());
    for at in [NOW.plus(HOUR), Timestamp::from_unix_micros(NOW.unix_micros() - 1)] {
        assert_eq!(signed.clone().verify(&believed, at).unwrap_err().reason(), "STATEMENT_NOT_IN_FORCE");
    }
    let endless = Statement::new(release().subject, NOW, LONGEST_LIFE + micro, &Fixed(1));
    let refused = SignedStatement::sign(endless, &ada).unwrap().verify(&believed, NOW).unwrap_err();
    assert!(matches!(refused, Error::LivesTooLong), "{refused}");
}

#[test]
fn a_release_is_moderate_whoever_signs_it() {
    let ada = key("operator/ada", 1);
    let statement = |acts| {
        let subject = Subject::RegistryRelease { acts, applications: [].into() };
        Statement::new(subject, NOW, HOUR, &Fixed(1))
    };
    for acts in [1, crate::MOST_ACTS] {
        assert!(SignedStatement::sign(statement(acts), &ada).is_ok(), "{acts}");
    }
    for acts in [0, crate::MOST_ACTS + 1, u32::MAX] {
        let refused = SignedStatement::sign(statement(acts), &ada).unwrap_err();
        assert_eq!(refused.reason(), "STATEMENT_IMMODERATE", "{acts}");
        // somebody else's program signs anything
        let payload = serde_json::to_vec(&statement(acts)).unwrap();
        let forged = SignedStatement { payload, statement: statement(acts), signatures: Vec::new() };
        let refused = forged.signed_by(&ada).verify(&trusted(&[&ada]), NOW).unwrap_err();
        assert_eq!(refused.reason(), "STATEMENT_IMMODERATE", "{acts}");
    }
}

#[test]
fn an_unknown_field_is_refused() {
    let payload = |text: &str| {
        let wire = format!(
            r#"{{"payloadType": "{PAYLOAD_TYPE}", "payload": "{}", "signatures": []}}"#,
            STANDARD.encode(text)
        );
        SignedStatement::parse(wire.as_bytes())
    };
    let good = serde_json::to_value(release()).unwrap();
    assert!(payload(&good.to_string()).is_ok(), "{good}");
    let mut more = good.clone();
    more["also"] = true.into();
    assert!(payload(&more.to_string()).is_err());
    let mut deeper = good.clone();
    deeper["subject"]["also"] = true.into();
    assert!(payload(&deeper.to_string()).is_err());
    let mut other = good;
    other["subject"]["statement"] = "drop-everything".into();
    assert!(payload(&other.to_string()).is_err());
}
