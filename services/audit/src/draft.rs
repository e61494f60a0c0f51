//! An entry that is valid in itself and has no place in the log yet.

use mint_api::audit::v1::{self, AppendRequest, Phase};
use mint_api::{InvalidMessage, convert};
use mint_types::{ApplicationId, CredentialKind, RequestId, RotationId, SpiffeId};

/// A delivery names all its destinations: at most 16, each a bucket (63) and a key (512 of prefix, the id, the object).
/// Longer resources are mistakes, and the log is kept for ever.
const LONGEST_RESOURCE: usize = 16 * 1024;
/// Of an action, of a reason and of a requested role.
const LONGEST_NAME: usize = 64;
/// A SPIFFE id, or what an issuer calls somebody (`sub`: at most 255, OpenID Connect Core section 2).
const LONGEST_SUBJECT: usize = 512;

/// An entry without a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The idempotency key.
    pub entry_id: RequestId,
    /// The mutual-TLS peer.
    pub actor: SpiffeId,
    /// `<noun>.<verb>`.
    pub action: String,
    /// To which application.
    pub application: Option<ApplicationId>,
    /// Which kind of credential.
    pub kind: Option<CredentialKind>,
    /// To what.
    pub resource: String,
    /// In which rotation.
    pub rotation: Option<RotationId>,
    /// In which request.
    pub request: RequestId,
    /// By which kind of role at AWS; empty for none.
    pub requested_role: String,
    /// On whose behalf; empty for the actor's own.
    pub subject: String,
    /// Announcement or outcome.
    pub half: Half,
}

/// Which half of an act an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Half {
    /// Before the act.
    Init,
    /// After it.
    Complete {
        /// The announcement's leaf.
        init_index: u64,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How an act ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Surely without effect.
    Failure {
        /// Stable reason.
        reason: String,
    },
    /// Nobody knows.
    Unknown {
        /// Stable reason.
        reason: String,
    },
}

impl Draft {
    /// Reads a request of `actor`.
    pub fn read(actor: SpiffeId, request: AppendRequest) -> Result<Self, InvalidMessage> {
        let half = half(&request)?;
        let act = request.act.ok_or_else(|| InvalidMessage::new("act", "is missing"))?;
        if !is_action(&act.action) {
            return Err(InvalidMessage::new("act.action", "must be <noun>.<verb> in lower case"));
        }
        if act.resource.len() > LONGEST_RESOURCE || act.resource.chars().any(char::is_control) {
            return Err(InvalidMessage::new(
                "act.resource",
                "must have at most 16384 bytes and no control characters",
            ));
        }
        if !act.requested_role.is_empty() && !is_word(&act.requested_role) {
            return Err(InvalidMessage::new("act.requested_role", "must be a word in lower case"));
        }
        if act.subject.len() > LONGEST_SUBJECT || act.subject.chars().any(char::is_control) {
            return Err(InvalidMessage::new(
                "act.subject",
                "must have at most 512 bytes and no control characters",
            ));
        }
        Ok(Self {
            entry_id: convert::parse("entry_id", &request.entry_id)?,
            actor,
            action: act.action,
            application: convert::parse_optional("act.application_id", &act.application_id)?,
            kind: convert::optional_kind_from_wire("act.kind", act.kind)?,
            resource: act.resource,
            rotation: convert::parse_optional("act.rotation_id", &act.rotation_id)?,
            request: convert::parse("act.request_id", &act.request_id)?,
            requested_role: act.requested_role,
            subject: act.subject,
            half,
        })
    }

    /// Whether both say the same: the same entry sent twice.
    pub fn same_act(&self, other: &Self) -> bool {
        let act = |draft: &Self| {
            (
                draft.actor.clone(),
                draft.action.clone(),
                draft.application.clone(),
                draft.kind,
                draft.resource.clone(),
                draft.rotation,
                draft.request,
                draft.requested_role.clone(),
                draft.subject.clone(),
            )
        };
        act(self) == act(other)
    }

    /// The announcement that this entry concludes.
    pub fn concludes(&self) -> Option<u64> {
        match self.half {
            Half::Init => None,
            Half::Complete { init_index, .. } => Some(init_index),
        }
    }
}

impl Half {
    /// `Phase` on the wire and in the database.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Init => Phase::Init,
            Self::Complete { .. } => Phase::Complete,
        }
    }

    /// `Outcome` on the wire and in the database, and its reason.
    pub fn outcome(&self) -> (v1::Outcome, &str) {
        match self {
            Self::Init => (v1::Outcome::Unspecified, ""),
            Self::Complete { outcome: Outcome::Success, .. } => (v1::Outcome::Success, ""),
            Self::Complete { outcome: Outcome::Failure { reason }, .. } => (v1::Outcome::Failure, reason),
            Self::Complete { outcome: Outcome::Unknown { reason }, .. } => (v1::Outcome::Unknown, reason),
        }
    }
}

fn half(request: &AppendRequest) -> Result<Half, InvalidMessage> {
    let outcome = v1::Outcome::try_from(request.outcome)
        .map_err(|_| InvalidMessage::new("outcome", "is none that this version knows"))?;
    match request.phase() {
        Phase::Unspecified => Err(InvalidMessage::new("phase", "must be INIT or COMPLETE")),
        Phase::Init if outcome != v1::Outcome::Unspecified => {
            Err(InvalidMessage::new("outcome", "an announcement has none"))
        }
        Phase::Init if !request.reason.is_empty() => {
            Err(InvalidMessage::new("reason", "an announcement has none"))
        }
        Phase::Init if request.init_index != 0 => {
            Err(InvalidMessage::new("init_index", "an announcement has none"))
        }
        Phase::Init => Ok(Half::Init),
        Phase::Complete => {
            Ok(Half::Complete { init_index: request.init_index, outcome: ended(outcome, &request.reason)? })
        }
    }
}

fn ended(outcome: v1::Outcome, reason: &str) -> Result<Outcome, InvalidMessage> {
    let named = || {
        if is_reason(reason) {
            Ok(reason.to_owned())
        } else {
            Err(InvalidMessage::new("reason", "must be a stable reason in UPPER_SNAKE_CASE"))
        }
    };
    match outcome {
        v1::Outcome::Unspecified => Err(InvalidMessage::new("outcome", "is missing")),
        v1::Outcome::Success if reason.is_empty() => Ok(Outcome::Success),
        v1::Outcome::Success => Err(InvalidMessage::new("reason", "a success has none")),
        v1::Outcome::Failure => Ok(Outcome::Failure { reason: named()? }),
        v1::Outcome::Unknown => Ok(Outcome::Unknown { reason: named()? }),
    }
}

fn is_action(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.split_once('.').is_some_and(|(noun, verb)| is_word(noun) && is_word(verb))
}

fn is_word(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    text.len() <= LONGEST_NAME
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(inside)
}

fn is_reason(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use mint_api::audit::v1::Act;

    use super::*;

    fn good() -> AppendRequest {
        AppendRequest {
            phase: Phase::Complete.into(),
            act: Some(Act {
                action: "credential.create".into(),
                application_id: "kio".into(),
                kind: 1,
                resource: "stups_kio".into(),
                rotation_id: String::new(),
                request_id: "0af76519-16cd-43dd-8448-eb211c80319c".into(),
                requested_role: "data-role-via-jwt".into(),
                subject: "ci-job".into(),
            }),
            outcome: v1::Outcome::Failure.into(),
            reason: "ISSUER_REFUSED".into(),
            init_index: 0,
            entry_id: "b7ad6b71-6920-4333-8a01-0af7651916cd".into(),
        }
    }

    fn actor() -> SpiffeId {
        "spiffe://mint.local/service/rotator".parse().unwrap()
    }

    type Edit = fn(&mut AppendRequest);

    #[test]
    fn every_inconsistent_request_is_refused_by_the_field_at_fault() {
        let edits: Vec<(&str, Edit)> = vec![
            ("phase", |r| r.phase = 0),
            ("phase", |r| r.phase = 9),
            ("outcome", |r| r.outcome = 0),
            ("outcome", |r| r.outcome = 9),
            ("outcome", |r| r.phase = 1),
            ("reason", |r| (r.phase, r.outcome) = (1, 0)),
            ("init_index", |r| (r.phase, r.outcome, r.reason, r.init_index) = (1, 0, String::new(), 3)),
            ("reason", |r| r.outcome = 1),
            ("reason", |r| r.reason = String::new()),
            ("reason", |r| r.reason = "the issuer said no".into()),
            ("entry_id", |r| r.entry_id = "1".into()),
            ("act", |r| r.act = None),
            ("act.action", |r| r.act.as_mut().unwrap().action = "create".into()),
            ("act.action", |r| r.act.as_mut().unwrap().action = "Credential.create".into()),
            ("act.application_id", |r| r.act.as_mut().unwrap().application_id = "../x".into()),
            ("act.kind", |r| r.act.as_mut().unwrap().kind = 77),
            ("act.resource", |r| r.act.as_mut().unwrap().resource = "a\nb".into()),
            ("act.resource", |r| r.act.as_mut().unwrap().resource = "x".repeat(LONGEST_RESOURCE + 1)),
            ("act.rotation_id", |r| r.act.as_mut().unwrap().rotation_id = "x".into()),
            ("act.request_id", |r| r.act.as_mut().unwrap().request_id = String::new()),
            ("act.requested_role", |r| {
                r.act.as_mut().unwrap().requested_role = "arn:aws:iam::1:role/x".into();
            }),
            ("act.subject", |r| r.act.as_mut().unwrap().subject = "a\nb".into()),
            ("act.subject", |r| r.act.as_mut().unwrap().subject = "x".repeat(LONGEST_SUBJECT + 1)),
        ];
        assert!(Draft::read(actor(), good()).is_ok());
        for (number, (field, edit)) in edits.into_iter().enumerate() {
            let mut request = good();
            edit(&mut request);
            let error = Draft::read(actor(), request).unwrap_err();
            assert_eq!(error.field, field, "edit {number}");
        }
    }

    #[test]
    fn a_delivery_to_as_many_and_as_long_destinations_as_settings_allow_is_taken() {
        let key = format!("{}/{}/credentials.json", "p".repeat(512), "a".repeat(63));
        let mut request = good();
        request.act.as_mut().unwrap().resource = vec![format!("{}/{key}", "b".repeat(63)); 16].join(" ");
        assert!(Draft::read(actor(), request).is_ok());
    }

    #[test]
    fn the_actor_is_the_peer_and_nothing_else() {
        let mut request = good();
        request.act.as_mut().unwrap().resource = "spiffe://mint.local/operator/second".into();
        assert_eq!(Draft::read(actor(), request).unwrap().actor, actor());
    }
}
