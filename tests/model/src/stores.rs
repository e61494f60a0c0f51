//! The buckets, and the distributor's rows, with the writes of `services/distributor/src/adapters/attempts.rs`.

use mint_distributor::{Answer, Attempt, Content, Place};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{Admitted, CredentialKind, Fence, FencingToken, RotationId, Timestamp, Version};

use crate::bounds::PUT_EXPIRY;
use crate::payload::Payload;

/// Why a delivery is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Somebody holds a newer lease.
    Stale,
    /// A newer version was begun.
    Superseded,
}

/// Buckets and rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Stores {
    /// What can be read.
    pub objects: Vec<(Place, Payload)>,
    /// What could be read, and until when.
    pub gone: Vec<(Payload, Timestamp)>,
    /// The distributor's attempts.
    pub attempts: Vec<Attempt>,
    sequence: u64,
    begun: Vec<(CredentialKind, Version, RotationId)>,
    fence: Option<FencingToken>,
    shown: Option<FencingToken>,
}

impl Stores {
    /// What a PUT does: the last writer wins.
    pub fn put(&mut self, place: &Place, payload: &Payload, now: Timestamp) {
        self.objects.retain(|(there, before)| {
            if there != place {
                return true;
            }
            if before != payload {
                self.gone.push((before.clone(), now));
            }
            false
        });
        self.objects.push((place.clone(), payload.clone()));
        self.objects.sort_by(|one, other| one.0.cmp(&other.0));
        self.gone.sort_by_key(|(payload, until)| (payload.kind, payload.version, *until));
        self.gone.dedup();
    }

    /// Whether a claim may be acted upon; nothing is kept.
    pub fn look(&self, content: &Content, token: FencingToken) -> Result<Admitted, Refused> {
        let admitted = Fence(self.fence).admit(token).map_err(|_| Refused::Stale)?;
        let newest = self.begun.iter().find(|(kind, ..)| *kind == content.kind);
        let overtaken = newest.is_some_and(|(_, version, rotation)| {
            content.version < *version || content.version == *version && content.rotation != *rotation
        });
        if overtaken && !mutated(Mutation::OlderVersionDelivered) {
            return Err(Refused::Superseded);
        }
        Ok(admitted)
    }

    /// Makes attempts durable before they are sent; answers their numbers.
    pub fn begin(
        &mut self,
        content: &Content,
        token: FencingToken,
        places: &[Place],
        obsolete: &[u64],
        now: Timestamp,
    ) -> Result<Vec<u64>, Refused> {
        if self.look(content, token)? == Admitted::Raises {
            self.fence = Some(token);
        }
        self.shown = self.shown.max(Some(token));
        if !places.is_empty() {
            self.begun.retain(|(kind, ..)| *kind != content.kind);
            self.begun.push((content.kind, content.version, content.rotation));
        }
        self.attempts.retain(|attempt| !obsolete.contains(&attempt.sequence));
        let mut numbers = Vec::new();
        for place in places {
            self.sequence += 1;
            numbers.push(self.sequence);
            self.attempts.push(Attempt {
                sequence: self.sequence,
                place: place.clone(),
                content: content.clone(),
                signed_at: now,
                expires_at: now.plus(PUT_EXPIRY),
                answer: Answer::None,
            });
        }
        Ok(numbers)
    }

    /// Makes answers durable: true for written, false for refused.
    pub fn answer(&mut self, answers: &[(u64, bool)]) {
        if answers.is_empty() {
            return;
        }
        self.sequence += 1;
        let recorded = self.sequence;
        for (number, written) in answers {
            let open = |attempt: &&mut Attempt| attempt.sequence == *number && attempt.answer == Answer::None;
            for attempt in self.attempts.iter_mut().filter(open) {
                attempt.answer = if *written { Answer::Written { recorded } } else { Answer::Refused };
            }
        }
    }

    /// Forgets instants that no rule compares any more: every attempt was answered.
    pub fn forget_instants(&mut self, at: Timestamp) {
        if self.attempts.iter().any(|attempt| attempt.answer == Answer::None) {
            return;
        }
        for attempt in &mut self.attempts {
            attempt.signed_at = at;
            attempt.expires_at = at;
        }
    }

    /// The highest token that was ever let act, whether or not anybody kept it.
    pub fn highest(&self) -> FencingToken {
        self.shown.unwrap_or(FencingToken(0))
    }

    /// At a rest it does not matter which of the earlier tokens was seen.
    pub fn forget_tokens(&mut self, last: FencingToken) {
        self.fence = Some(last);
        self.shown = Some(last);
    }
}
