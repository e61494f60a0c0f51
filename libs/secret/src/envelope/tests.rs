use proptest::prelude::*;

use super::*;
use crate::testing::{Noise, published, ring};
use crate::{KeyRing, KeyStage, KeyUse, SealPublicKey};

const CANARY: &str = "mint-canary-pw-not-to-be-seen";

struct World {
    rotator: KeyRing,
    distributor: KeyRing,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rotator: ring(&[KeyUse::RotatorSign, KeyUse::RotatorProbe], seed),
            distributor: ring(&[KeyUse::DistributorSeal], seed + 1),
        }
    }

    fn seal(&self, subject: Subject, plaintext: &[u8]) -> Vec<u8> {
        let recipient = self.distributor.seal_public(KeyUse::DistributorSeal).unwrap();
        let signer = self.rotator.signing(KeyUse::RotatorSign).unwrap();
        seal(&recipient, signer, subject, plaintext, &Noise::new(77)).unwrap()
    }

    fn open(&self, envelope: &[u8], expected: Expected<'_>) -> Result<(Aad, Zeroizing<Vec<u8>>), Error> {
        let verifiers = VerifyKeys::of(KeyUse::RotatorSign, &published(&self.rotator));
        open(self.distributor.seal_keys(KeyUse::DistributorSeal).unwrap(), &verifiers, envelope, expected)
    }
}

fn subject() -> Subject {
    Subject {
        purpose: Purpose::Delivery,
        application: "shop".parse().unwrap(),
        kind: CredentialKind::Password,
        version: Version(1_700_000_000_000),
        version_id: VersionId::random(&Noise::new(3)),
        rotation: RotationId::random(&Noise::new(4)),
    }
}

fn expected(subject: &Subject) -> Expected<'_> {
    Expected { purpose: subject.purpose, application: &subject.application, rotation: Some(subject.rotation) }
}

#[test]
fn an_envelope_opens_to_what_was_sealed_and_peeks_to_its_subject() {
    let world = World::new(1);
    let subject = subject();
    let envelope = world.seal(subject.clone(), CANARY.as_bytes());
    let (aad, plaintext) = world.open(&envelope, expected(&subject)).unwrap();
    assert_eq!(plaintext.as_slice(), CANARY.as_bytes());
    assert_eq!(aad.subject, subject);
    assert_eq!(peek(&envelope).unwrap(), aad);
    assert!(!envelope.windows(11).any(|bytes| bytes == b"mint-canary"), "the envelope hides its content");
}

#[test]
fn an_envelope_with_any_byte_changed_is_refused() {
    let world = World::new(1);
    let subject = subject();
    let envelope = world.seal(subject.clone(), b"x");
    for index in 0..envelope.len() {
        for flip in [0x01, 0x80] {
            let mut changed = envelope.clone();
            changed[index] ^= flip;
            assert!(world.open(&changed, expected(&subject)).is_err(), "byte {index}");
        }
        assert!(world.open(&envelope[..index], expected(&subject)).is_err(), "cut at {index}");
    }
    assert!(
        world.open(&[envelope.as_slice(), &[0]].concat(), expected(&subject)).is_err(),
        "a byte appended"
    );
}

#[test]
fn an_envelope_signed_by_a_stranger_is_refused() {
    let ours = World::new(1);
    let stranger = World::new(5);
    let subject = subject();
    let recipient = ours.distributor.seal_public(KeyUse::DistributorSeal).unwrap();
    let signer = stranger.rotator.signing(KeyUse::RotatorSign).unwrap();
    let envelope = seal(&recipient, signer, subject.clone(), b"x", &Noise::new(1)).unwrap();
    let refused = ours.open(&envelope, expected(&subject)).unwrap_err();
    assert!(matches!(refused, Error::UnknownSigner(_)), "{refused}");
}

#[test]
fn an_envelope_for_another_recipient_cannot_be_opened() {
    let ours = World::new(1);
    let subject = subject();
    let recipient = ring(&[KeyUse::DistributorSeal], 40).seal_public(KeyUse::DistributorSeal).unwrap();
    let signer = ours.rotator.signing(KeyUse::RotatorSign).unwrap();
    let envelope = seal(&recipient, signer, subject.clone(), b"x", &Noise::new(1)).unwrap();
    let refused = ours.open(&envelope, expected(&subject)).unwrap_err();
    assert!(matches!(refused, Error::NotOurs(_)), "{refused}");
}

#[test]
fn nothing_is_sealed_to_a_key_that_was_retired_or_is_not_used_yet() {
    let (ours, stolen) = (World::new(1), ring(&[KeyUse::DistributorSeal], 41));
    for stage in [KeyStage::Retiring, KeyStage::Next] {
        let mut known = published(&stolen);
        for key in &mut known {
            key.stage = stage;
        }
        known.extend(published(&ours.distributor));
        let recipient = SealPublicKey::active(KeyUse::DistributorSeal, &known).unwrap();
        let signer = ours.rotator.signing(KeyUse::RotatorSign).unwrap();
        let envelope = seal(&recipient, signer, subject(), b"x", &Noise::new(1)).unwrap();
        ours.open(&envelope, expected(&subject())).unwrap();
        let verifiers = VerifyKeys::of(KeyUse::RotatorSign, ours.rotator.published());
        let keys = stolen.seal_keys(KeyUse::DistributorSeal).unwrap();
        let read = open(keys, &verifiers, &envelope, expected(&subject()));
        assert!(matches!(read, Err(Error::NotOurs(_))), "{stage:?}: whoever stole the key reads on");
    }
}

#[test]
fn an_envelope_for_another_application_is_refused() {
    let world = World::new(1);
    let subject = subject();
    let envelope = world.seal(subject.clone(), b"x");
    let other = "shoq".parse().unwrap();
    let refused = world.open(&envelope, Expected { application: &other, ..expected(&subject) }).unwrap_err();
    assert!(matches!(refused, Error::Mismatch("application")), "{refused}");
    let rotation = Some(RotationId::random(&Noise::new(99)));
    let refused = world.open(&envelope, Expected { rotation, ..expected(&subject) }).unwrap_err();
    assert!(matches!(refused, Error::Mismatch("rotation")), "{refused}");
}

#[test]
fn a_probe_envelope_is_no_delivery_envelope() {
    let world = World::new(1);
    let probe = Subject { purpose: Purpose::Probe, ..subject() };
    let envelope = world.seal(probe.clone(), b"x");
    let refused =
        world.open(&envelope, Expected { purpose: Purpose::Delivery, ..expected(&probe) }).unwrap_err();
    assert!(matches!(refused, Error::Mismatch("purpose")), "{refused}");
}

#[test]
fn nothing_that_can_be_printed_shows_a_secret() {
    let world = World::new(1);
    let subject = subject();
    let envelope = world.seal(subject.clone(), CANARY.as_bytes());
    let mut shown = vec![format!("{world:?}", world = world.rotator), format!("{:?}", world.distributor)];
    shown.push(format!("{:?}", peek(&envelope).unwrap()));
    shown.push(format!("{:?}", EnvelopeDigest::of(&envelope)));
    shown.push(format!("{:?}", world.open(&envelope[1..], expected(&subject)).unwrap_err()));
    for text in shown {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// RFC 9180, appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, base mode, sequence number 0.
/// Our suite is that one.
#[test]
fn the_suite_opens_the_test_vector_of_rfc_9180() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let secret = bytes("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
    let encapsulated = bytes("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
    let ciphertext = bytes(concat!(
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db",
        "21993c62ce81883d2dd1b51a28"
    ));
    let plaintext = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &<X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&secret).unwrap(),
        &<X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&encapsulated).unwrap(),
        &bytes("4f6465206f6e2061204772656369616e2055726e"),
        &ciphertext,
        &bytes("436f756e742d30"),
    )
    .unwrap();
    assert_eq!(plaintext, b"Beauty is truth, truth beauty");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_sealed_opens_again(
        plaintext in proptest::collection::vec(any::<u8>(), 0..2000),
        application in "[a-z][a-z0-9-]{0,40}[a-z0-9]",
        version in any::<u64>(),
        kind in 0..4_usize,
    ) {
        let world = World::new(1);
        let subject = Subject {
            application: application.parse().unwrap(),
            version: Version(version),
            kind: CredentialKind::ALL[kind],
            ..subject()
        };
        let envelope = world.seal(subject.clone(), &plaintext);
        let (aad, opened) = world.open(&envelope, expected(&subject)).unwrap();
        prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
        prop_assert_eq!(aad.subject, subject);
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let world = World::new(1);
        prop_assert!(world.open(&bytes, expected(&subject())).is_err());
        prop_assert!(world.open(&[MAGIC, &[FORMAT], &bytes].concat(), expected(&subject())).is_err());
    }
}
