//! What the tests append.

use mint_audit::{Draft, Half, Outcome};
use mint_types::{Entropy, RequestId};

/// An announcement by the rotator, about `resource`.
pub(crate) fn init(entropy: &dyn Entropy, resource: &str) -> Draft {
    Draft {
        entry_id: RequestId::random(entropy),
        actor: "spiffe://mint.local/service/rotator".parse().unwrap(),
        action: "credential.create".into(),
        application: Some("kio".parse().unwrap()),
        kind: Some(mint_types::CredentialKind::Password),
        resource: resource.into(),
        rotation: None,
        request: RequestId::random(entropy),
        requested_role: String::new(),
        subject: String::new(),
        half: Half::Init,
    }
}

/// The outcome of an announcement.
pub(crate) fn complete(entropy: &dyn Entropy, announced: &Draft, init_index: u64) -> Draft {
    let half = Half::Complete { init_index, outcome: Outcome::Success };
    Draft { entry_id: RequestId::random(entropy), half, ..announced.clone() }
}
