//! What events and stages are called in an error.

use super::Event;
use crate::{Credential, Stage};

pub(super) fn stage_of(credential: &Credential) -> &'static str {
    match credential.rotation.as_ref().map(|rotation| &rotation.stage) {
        None => "closed",
        Some(Stage::Intended) => "intended",
        Some(Stage::Created { .. }) => "created",
        Some(Stage::Delivered { .. }) => "delivered",
        Some(Stage::Adopting { .. }) => "adopting",
        Some(Stage::Retired { .. }) => "retired",
    }
}

pub(super) fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Opened { .. } => "opened",
        Event::Created { .. } => "created",
        Event::PartlyDelivered { .. } => "partly delivered",
        Event::Delivered { .. } => "delivered",
        Event::Accepted { .. } => "accepted",
        Event::AlreadyAccepted => "already accepted",
        Event::RetiredTooEarly { .. } => "retired too early",
        Event::Retired { .. } => "retired",
        Event::ProvedTooEarly { .. } => "proved too early",
        Event::Proved => "proved",
        Event::Failed { .. } => "failed",
        Event::Finished => "finished",
        Event::GivenUp => "given up",
        Event::Closed => "closed",
    }
}
