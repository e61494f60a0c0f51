//! A place in the log, and its hash (RFC 6962, section 2.1).

use mint_types::Timestamp;
use sha2::{Digest, Sha256};

use crate::draft::Draft;

/// Starts every leaf, so that its bytes can never be taken for anything else's.
const DOMAIN: &[u8] = b"mint audit leaf v1\0";
/// Starts a leaf that also says by which role and on whose behalf.
const DOMAIN_ON_BEHALF: &[u8] = b"mint audit leaf v2\0";
/// RFC 6962: leaves are hashed with this prefix and nodes with another, so that none can be taken for the other.
const LEAF_PREFIX: [u8; 1] = [0];

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Its position from 0.
    pub index: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// When the log took it.
    pub at: Timestamp,
}

/// The leaf of `draft` at a position; the crate's header defines the bytes.
pub fn canonical_bytes(index: u64, at: Timestamp, draft: &Draft) -> Vec<u8> {
    let (outcome, reason) = draft.half.outcome();
    let mut bytes = Vec::with_capacity(256 + draft.resource.len());
    let behalf = [draft.requested_role.clone(), draft.subject.clone()];
    let is_own = behalf.iter().all(String::is_empty);
    bytes.extend_from_slice(if is_own { DOMAIN } else { DOMAIN_ON_BEHALF });
    bytes.extend_from_slice(&index.to_be_bytes());
    bytes.extend_from_slice(&at.unix_micros().to_be_bytes());
    bytes.extend_from_slice(&[small(draft.half.phase().into()), small(outcome.into())]);
    bytes.extend_from_slice(&kind_number(draft).to_be_bytes());
    bytes.extend_from_slice(&draft.concludes().map_or(0, |init| init.saturating_add(1)).to_be_bytes());
    let texts = [
        draft.entry_id.to_string(),
        draft.actor.to_string(),
        draft.action.clone(),
        draft.application.as_ref().map(ToString::to_string).unwrap_or_default(),
        draft.resource.clone(),
        draft.rotation.map(|rotation| rotation.to_string()).unwrap_or_default(),
        draft.request.to_string(),
        reason.to_owned(),
    ];
    let behalf = behalf.into_iter().filter(|_| !is_own);
    for text in texts.into_iter().chain(behalf) {
        // A text is bounded by the size of a message; it cannot have 4 GiB.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// SHA-256 of a zero byte and the leaf's bytes.
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(LEAF_PREFIX).chain_update(bytes).finalize().into()
}

/// The kind's number on the wire; 0 for none.
pub(crate) fn kind_number(draft: &Draft) -> i32 {
    draft.kind.map_or(0, |kind| mint_api::convert::kind_to_wire(kind).into())
}

fn small(number: i32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::{Half, Outcome};

    fn draft() -> Draft {
        Draft {
            entry_id: "b7ad6b71-6920-4333-8a01-0af7651916cd".parse().unwrap(),
            actor: "spiffe://mint.local/service/rotator".parse().unwrap(),
            action: "credential.create".into(),
            application: Some("kio".parse().unwrap()),
            kind: Some(mint_types::CredentialKind::Password),
            resource: "stups_kio".into(),
            rotation: None,
            request: "0af76519-16cd-43dd-8448-eb211c80319c".parse().unwrap(),
            requested_role: String::new(),
            subject: String::new(),
            half: Half::Complete {
                init_index: 6,
                outcome: Outcome::Failure { reason: "ISSUER_REFUSED".into() },
            },
        }
    }

    #[test]
    fn a_leaf_has_exactly_the_bytes_that_the_header_defines() {
        let bytes = canonical_bytes(7, Timestamp::from_unix_micros(1_000_000), &draft());
        let expected = concat!(
            "6d696e74206175646974206c65616620763100",
            "0000000000000007",
            "00000000000f4240",
            "02",
            "02",
            "00000001",
            "0000000000000007",
            "00000024",
            "62376164366237312d363932302d343333332d386130312d306166373635313931366364",
            "00000023",
            "7370696666653a2f2f6d696e742e6c6f63616c2f736572766963652f726f7461746f72",
            "00000011",
            "63726564656e7469616c2e637265617465",
            "00000003",
            "6b696f",
            "00000009",
            "73747570735f6b696f",
            "00000000",
            "00000024",
            "30616637363531392d313663642d343364642d383434382d656232313163383033313963",
            "0000000e",
            "4953535545525f52454655534544",
        );
        assert_eq!(hex::encode(bytes), expected);
    }

    #[test]
    fn what_is_done_on_somebodys_behalf_is_in_the_leaf_and_changes_no_other_leaf() {
        let at = Timestamp::from_unix_micros(1);
        let own = canonical_bytes(1, at, &draft());
        let of = |requested_role: &str, subject: &str| {
            let (requested_role, subject) = (requested_role.to_owned(), subject.to_owned());
            canonical_bytes(1, at, &Draft { requested_role, subject, ..draft() })
        };
        assert_eq!(of("", ""), own);
        let behalf = of("data-role-via-jwt", "ci");
        assert!(behalf.starts_with(DOMAIN_ON_BEHALF) && own.starts_with(DOMAIN));
        assert!(behalf.ends_with(b"\0\0\0\x11data-role-via-jwt\0\0\0\x02ci"));
        assert_ne!(of("a", "b"), of("ab", ""), "texts carry their lengths");
    }

    #[test]
    fn the_empty_leaf_hashes_as_in_rfc_6962() {
        assert_eq!(
            hex::encode(leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn another_place_is_another_hash() {
        let at = Timestamp::from_unix_micros(1);
        let (one, other) = (canonical_bytes(1, at, &draft()), canonical_bytes(2, at, &draft()));
        assert_ne!(leaf_hash(&one), leaf_hash(&other));
    }
}
