//! Where a restart goes on.

use mint_types::{CredentialKind, RotationId, Timestamp};

use crate::{Credential, Facts, Node, Step, plan};

/// A rotation that was open when the process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Which credential.
    pub kind: CredentialKind,
    /// Which rotation.
    pub rotation: RotationId,
    /// The node that it works at.
    pub node: Node,
    /// What it does next.
    pub step: Step,
}

/// The open rotations of an application and what each does next. Nothing but the durable state decides: a step whose
/// answer was lost is asked again with the same rotation id, and every executor answers a repetition as it did before.
pub fn recover<'c>(
    credentials: impl IntoIterator<Item = &'c Credential>,
    now: Timestamp,
    facts: impl Fn(&Credential) -> Facts,
) -> Vec<Open> {
    credentials
        .into_iter()
        .filter_map(|credential| {
            let rotation = credential.rotation.as_ref()?;
            Some(Open {
                kind: credential.kind,
                rotation: rotation.id,
                node: rotation.node(),
                step: plan(credential, now, &facts(credential)),
            })
        })
        .collect()
}
