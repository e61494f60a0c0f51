//! What the settings want, compared with what is delivered.

use mint_types::{ApplicationId, CredentialKind, Settings, Timestamp};

use crate::schedule::{self, NEVER};
use crate::{Cause, Credential, Node};

/// What the settings want of one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    kind: CredentialKind,
    application: ApplicationId,
    period: std::time::Duration,
    /// Where it belongs, one text per destination, in order of the text.
    pub destinations: Vec<String>,
    /// The public client id that it names.
    pub client_id: Option<String>,
}

/// When a rotation should be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now, and why.
    Now(Cause),
    /// Not before this time.
    At(Timestamp),
}

impl Wish {
    /// What `settings` want of `kind`; `client_id` counts for a public client only.
    pub fn new(
        application: &ApplicationId,
        kind: CredentialKind,
        settings: &Settings,
        client_id: Option<&str>,
    ) -> Self {
        let mut destinations: Vec<String> = settings
            .destinations(application, kind)
            .into_iter()
            .map(|destination| {
                let bucket = destination.bucket;
                let place = bucket.endpoint.map(String::from).or(bucket.region).unwrap_or_default();
                format!("{place} {} {}", bucket.name, destination.key)
            })
            .collect();
        destinations.sort();
        Self {
            kind,
            application: application.clone(),
            period: settings.period(kind).as_duration(),
            destinations,
            client_id: client_id.filter(|_| kind == CredentialKind::PublicClient).map(str::to_owned),
        }
    }

    /// When the next rotation should be opened, whatever is open now.
    pub fn due(&self, credential: &Credential, now: Timestamp, nudged_at: Option<Timestamp>) -> Due {
        let cause = match &credential.current {
            None => Some(Cause::First),
            Some(current) if current.destinations != self.destinations => Some(Cause::DestinationsChanged),
            Some(current) if current.client_id != self.client_id => Some(Cause::ClientChanged),
            Some(_) if self.due_at(credential) <= now => Some(Cause::Scheduled),
            Some(_) => None,
        };
        let Some(cause) = cause else {
            return Due::At(self.due_at(credential));
        };
        let gate = credential
            .troubles
            .range(..=Node::Deliver)
            .map(|(_, trouble)| trouble.gate_at(nudged_at, now))
            .max();
        match gate {
            Some(gate) if now < gate => Due::At(gate),
            Some(_) | None => Due::Now(cause),
        }
    }

    /// When the period asks for the next rotation; a public client has no secret and so no period.
    pub fn due_at(&self, credential: &Credential) -> Timestamp {
        if self.kind == CredentialKind::PublicClient {
            return NEVER;
        }
        credential.current.as_ref().map_or(NEVER, |current| {
            schedule::due_at(&self.application, self.kind, self.period, current.delivered_at)
        })
    }
}
