//! Whether credentials may go where the catalog says.

use std::time::Duration;

use mint_api::audit_log::{Act, Outcome};
use mint_types::{Application, CredentialKind, RequestId};

use super::Distributor;
use crate::Error;
use crate::plan::pins::{
    Confirmation, Event, Instant, News, PinPlan, Pins, Spot, Standing, Terms, Wanted, given_up, misfit, pin,
};
use crate::ports::Trouble;
use crate::statements::Owner;

/// Deliveries of an application that meet here for the first time come one after the other.
const MOST_TRIES: usize = 8;
/// A caller comes back at least this often: a statement may have come, and time is counted when somebody looks.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Why nobody may write to the places of a record.
pub(super) const UNCONFIRMED: &str = "DESTINATION_UNCONFIRMED";

/// Where a credential of a kind may go.
pub(super) struct Held {
    /// One line a bucket of the record: nothing, or why it gets no credential.
    pub(super) troubles: Vec<Option<Trouble>>,
    /// Where else it goes: the record does not name these any more, and nobody gave them up.
    pub(super) kept_on: Vec<Spot>,
    /// Whether the kind is one that is in force, whatever the record asks for.
    pub(super) may_be_written: bool,
}

/// What was decided of a record's destinations.
struct Pinned {
    wanted: Wanted,
    plan: PinPlan,
    /// Why the statement that came with it is not believed.
    refused: Option<String>,
}

impl Distributor {
    /// Where a credential of a kind may go. What is new is remembered, and said.
    pub(super) async fn held(
        &self,
        record: &Application,
        kind: CredentialKind,
        request: RequestId,
    ) -> Result<Held, Error> {
        let Pinned { wanted, plan, refused } = self.pinned(record, request).await?;
        let refused = refused.as_deref();
        let may_be_written = plan.kinds.contains(&kind);
        let troubles = wanted.spots.iter().zip(plan.standings).map(|(spot, standing)| {
            let unconfirmed = if may_be_written {
                trouble(spot, standing, plan.is_held, refused)
            } else {
                other_kinds(spot, plan.layout, plan.is_held, refused)
            };
            unconfirmed.or_else(|| self.refused_endpoint(spot))
        });
        let kept_on = if may_be_written { plan.kept_on } else { Vec::new() };
        Ok(Held { troubles: troubles.collect(), kept_on, may_be_written })
    }

    async fn pinned(&self, record: &Application, request: RequestId) -> Result<Pinned, Error> {
        let wanted = Wanted::of(record);
        for _ in 0..MOST_TRIES {
            let kept = self.ports.pins.read(&record.id).await?;
            let pins = kept.as_ref().map(|kept| &kept.pins);
            let (confirmation, refused) = self.confirmation(record, &wanted, pins);
            let plan = pin(pins, &wanted, confirmation.as_ref(), &self.terms(), &self.instant());
            if let Some(next) = &plan.keep {
                let seen = kept.as_ref().map(|kept| kept.changes);
                if !self.keep(record, seen, next, &plan.event, request).await? {
                    continue;
                }
            }
            return Ok(Pinned { wanted, plan, refused });
        }
        Err(Error::PinsChanging(record.id.clone()))
    }

    /// Gives the places up that a record does not name any more, because a permit lets them be overwritten: at once where
    /// everything is overwritten, else when all that is asked for is confirmed and the removal was asked for long enough.
    pub(super) async fn give_places_up(
        &self,
        record: &Application,
        is_everything: bool,
        request: RequestId,
    ) -> Result<(), Error> {
        for _ in 0..MOST_TRIES {
            // nothing was ever written
            if self.lost_writes_at.is_none() && self.ports.pins.read(&record.id).await?.is_none() {
                return Ok(());
            }
            let Pinned { wanted, plan, .. } = self.pinned(record, request).await?;
            if !is_everything && (!plan.is_confirmed() || plan.leaving.is_some()) {
                let left = plan.left().map(|left| left.min(LONGEST_PAUSE));
                return Err(Error::Unconfirmed { application: record.id.clone(), left });
            }
            let Some(kept) = self.ports.pins.read(&record.id).await? else { continue };
            let (next, gone) = given_up(&kept.pins, &wanted);
            if gone.is_empty() {
                return Ok(());
            }
            if self.keep(record, Some(kept.changes), &next, &Event::GivenUp(gone), request).await? {
                return Ok(());
            }
        }
        Err(Error::PinsChanging(record.id.clone()))
    }

    /// The team's choice must be one that the operator allows.
    pub(super) fn refused_endpoint(&self, spot: &Spot) -> Option<Trouble> {
        let allowed = self.rules.allowed_endpoints.as_ref()?;
        let endpoint = spot.endpoint.as_str();
        if endpoint.is_empty() || endpoint == self.default_store || allowed.contains(endpoint) {
            return None;
        }
        Some(Trouble {
            reason: "DESTINATION_REFUSED_ENDPOINT",
            detail: format!("{endpoint} is not among the endpoints that the operator allows"),
            next_action: "choose an allowed endpoint, or ask the operator to add it to s3.allowed_endpoints",
            retry_after: None,
        })
    }

    fn terms(&self) -> Terms {
        Terms { wait: self.rules.pin_wait, lost_writes_at: self.lost_writes_at }
    }

    fn instant(&self) -> Instant {
        Instant { wall: self.ports.clock.now(), monotonic: self.ports.clock.monotonic() }
    }

    /// The record's statement, or why it is not believed. One that would change nothing is not even read.
    fn confirmation(
        &self,
        record: &Application,
        wanted: &Wanted,
        pins: Option<&Pins>,
    ) -> (Option<Confirmation>, Option<String>) {
        if record.destinations_statement.is_empty() {
            return (None, None);
        }
        let (bytes, now) = (&record.destinations_statement, self.ports.clock.now());
        let owner = Owner {
            pinned: pins.map(|pins| &pins.team),
            named: &record.team_id,
            is_doubtful: pins.map_or(self.lost_writes_at.is_some(), |pins| pins.is_doubtful),
        };
        match self.ports.statements.destinations(bytes, &record.id, &owner, now) {
            Ok(confirmation) => match misfit(pins, wanted, &confirmation, &self.terms()) {
                None => (Some(confirmation), None),
                Some(why) => (None, Some(why.to_owned())),
            },
            Err(error) => (None, Some(error.to_string())),
        }
    }

    /// Says what changes, then remembers it; false if somebody else was faster.
    async fn keep(
        &self,
        record: &Application,
        seen: Option<u64>,
        next: &Pins,
        event: &Event,
        request: RequestId,
    ) -> Result<bool, Error> {
        tell(record, event);
        let Some((action, resource, outcome)) = audited(record, event) else {
            return Ok(self.ports.pins.keep(&record.id, seen, next).await?);
        };
        let application = Some(record.id.clone());
        let act = Act { action, application, kind: None, resource, rotation: None, request };
        let announced = self.ports.audit.announce(act).await?;
        match self.ports.pins.keep(&record.id, seen, next).await {
            Ok(true) => self.ports.audit.conclude(announced, outcome).await?,
            Ok(false) => {
                let overtaken = Outcome::Failure { reason: "PINS_CHANGING" };
                self.ports.audit.conclude(announced, overtaken).await?;
                return Ok(false);
            }
            Err(error) => return Err(self.give_up(announced, error.into()).await),
        }
        Ok(true)
    }
}

fn trouble(spot: &Spot, standing: Standing, is_held: bool, refused: Option<&str>) -> Option<Trouble> {
    let left = match standing {
        Standing::Confirmed => return None,
        Standing::Unconfirmed { left } => left,
    };
    let why = refused.map(|why| format!("; the statement that came with it is refused: {why}"));
    let (what, next_action) = if is_held {
        (
            "waits: the application has a new owner, and where credentials go is not confirmed",
            "confirm the destinations: `mint app confirm APP`, signed by an operator or the former owner; the new \
             owner's signature counts a day after the change",
        )
    } else {
        (
            "is new and nobody confirmed it",
            "confirm it: `mint app confirm APP`, signed by the owner or an operator; else it is believed when it was \
             asked for long enough",
        )
    };
    Some(Trouble {
        reason: UNCONFIRMED,
        detail: format!("{} {what}{}", shown(spot), why.unwrap_or_default()),
        next_action,
        retry_after: left.map(|left| left.min(LONGEST_PAUSE)),
    })
}

fn other_kinds(spot: &Spot, layout: Standing, is_held: bool, refused: Option<&str>) -> Option<Trouble> {
    let held = trouble(spot, layout, is_held, refused)?;
    let why = refused.map(|why| format!("; the statement that came with it is refused: {why}"));
    let detail = format!(
        "{}: the settings ask for other objects than before, which would end what lies in those, and nobody confirmed \
         it{}",
        shown(spot),
        why.unwrap_or_default()
    );
    let next_action = if is_held {
        held.next_action
    } else {
        "confirm it: `mint app confirm APP`, signed by the owner or an operator; or enter the objects of before again: no \
         time alone confirms it"
    };
    Some(Trouble { detail, next_action, ..held })
}

/// The same of a place that the settings do not name any more.
pub(super) fn of_removed(mut trouble: Trouble) -> Trouble {
    trouble.detail.push_str(
        "; the settings do not name this place any more, and nobody confirmed that, so its readers are served on",
    );
    trouble.next_action = "let it be written, or confirm that it is given up: `mint app confirm APP`, signed by the owner \
                           or an operator";
    trouble
}

fn shown(spot: &Spot) -> String {
    let account = spot.account_id.as_ref().map_or("no account", |account| account.as_str());
    let at = if spot.endpoint.is_empty() { String::new() } else { format!(" at {}", spot.endpoint) };
    let key = spot.kms_key_id.as_ref().map(|key| format!(" with key {key}")).unwrap_or_default();
    format!("{}/{} of {account}{at}{key}", spot.bucket, spot.prefix)
}

fn all_shown(spots: &[Spot]) -> String {
    spots.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn news_shown(news: &News) -> String {
    let kinds = news.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" and ");
    let parts = [
        Some(all_shown(&news.added)).filter(|_| !news.added.is_empty()),
        Some(format!("without {}", all_shown(&news.removed))).filter(|_| !news.removed.is_empty()),
        Some(format!("as {kinds}")).filter(|_| !news.kinds.is_empty()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What the audit log hears: who may get credentials from now on, and who was refused them.
fn audited(record: &Application, event: &Event) -> Option<(&'static str, String, Outcome)> {
    match event {
        Event::Nothing | Event::FirstUse => None,
        Event::Stated(news) => Some((
            "destination.confirm",
            format!("team/{} {}", record.team_id, news_shown(news)),
            Outcome::Success,
        )),
        Event::Waited(news) => Some(("destination.confirm", news_shown(news), Outcome::Success)),
        Event::Noticed(news) => {
            Some(("destination.change", news_shown(news), Outcome::Failure { reason: UNCONFIRMED }))
        }
        Event::GivenUp(spots) => {
            Some(("destination.confirm", format!("without {}", all_shown(spots)), Outcome::Success))
        }
        Event::OwnerChanged(team) => {
            Some(("destination.change", format!("team/{team}"), Outcome::Failure { reason: UNCONFIRMED }))
        }
    }
}

fn tell(record: &Application, event: &Event) {
    let (application, team) = (&record.id, &record.team_id);
    match event {
        Event::Nothing => {}
        Event::FirstUse => {
            let spots = all_shown(&Wanted::of(record).spots);
            tracing::info!(%application, %team, %spots, "destinations pinned as the catalog says: they are used for the first time");
        }
        Event::Stated(news) => {
            tracing::info!(%application, %team, news = news_shown(news), "destinations confirmed by a statement");
        }
        Event::Waited(news) => {
            tracing::warn!(%application, %team, news = news_shown(news), "destinations believed: they were asked for long enough");
        }
        Event::Noticed(news) => {
            tracing::warn!(%application, %team, news = news_shown(news), "other destinations wait for a confirmation");
        }
        Event::GivenUp(spots) => {
            tracing::warn!(%application, %team, spots = all_shown(spots), "destinations given up by a permit");
        }
        Event::OwnerChanged(new) => {
            tracing::warn!(%application, team = %new, "the owner changed: deliveries wait for a confirmation");
        }
    }
}
