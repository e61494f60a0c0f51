//! Tombstones: what a permit covers is overwritten, as far as it can be reached.

use mint_api::audit_log::Act;
use mint_secret::Zeroizing;
use mint_statement::Removal as Permitted;
use mint_types::{Application, CredentialKind, Destination, RemovedDestination};

use super::Distributor;
use super::puts::Ready;
use crate::Error;
use crate::outcome::{Line, Overwritten, line_state};
use crate::plan::pins::Spot;
use crate::plan::tombstones::{Grave, Scene, destination_of, ended_kinds, graves, tombstone_text};
use crate::plan::{Place, Step};
use crate::ports::{Body, Memory, Order, PutAnswer, Removal, Trouble, Warrant};
use crate::statements::Permit;

/// A removal whose permit holds.
struct Task {
    warrant: Warrant,
    permit: Permit,
    record: Option<Application>,
    asked: Vec<Place>,
}

impl Distributor {
    /// Overwrites what the permit covers. Repeats safely; what cannot be reached stops nothing else.
    pub async fn tombstone(&self, removal: &Removal) -> Result<Overwritten, Error> {
        let outcome = self.try_tombstone(removal).await;
        if let Err(error) = &outcome
            && error.is_refusal()
        {
            let act = Act {
                action: ACTION,
                application: Some(removal.application.clone()),
                kind: None,
                resource: removal.application.to_string(),
                rotation: None,
                request: removal.request,
            };
            self.refusals.tell(act, error.reason());
        }
        outcome
    }

    async fn try_tombstone(&self, removal: &Removal) -> Result<Overwritten, Error> {
        let now = self.ports.clock.now();
        let permit = self.ports.statements.permit(&removal.permit, &removal.application, now);
        let permit = permit.map_err(Error::Permit)?;
        // a delivery waits for one of these at most, so the order does not matter to it
        let mut turns = Vec::new();
        for kind in [CredentialKind::Password, CredentialKind::Client, CredentialKind::Combined] {
            turns.push(self.turns.take(&removal.application, kind.object_name()).await);
        }
        let record = self.record_of(removal, &permit.removal).await?;
        let asked = record.as_ref().map(|record| self.asked(record)).unwrap_or_default();
        let warrant = Warrant {
            application: removal.application.clone(),
            fencing_token: removal.fencing_token,
            permit: permit.id.clone(),
        };
        let task = Task { warrant, permit, record, asked };
        let answers = self.overwrite(removal, &task).await?;
        let (overwritten, forgotten) = self.account(&task, answers).await?;
        if !forgotten.is_empty() {
            let told = self.ports.catalog.overwritten(&removal.application, &forgotten).await;
            told.map_err(Error::Catalog)?;
        }
        Ok(overwritten)
    }

    /// The record, if it lets the removal be: nothing in use is overwritten whatever the permit says.
    async fn record_of(
        &self,
        removal: &Removal,
        permitted: &Permitted,
    ) -> Result<Option<Application>, Error> {
        let answered = self.ports.catalog.application(&removal.application, removal.catalog_revision).await;
        let record = match answered {
            Ok(record) => record,
            Err(fault) if fault.reason == "APPLICATION_UNKNOWN" && *permitted == Permitted::Application => {
                return Ok(None);
            }
            Err(fault) => return Err(Error::Catalog(fault)),
        };
        if record.id != removal.application {
            return Err(Error::OtherRecord(removal.application.clone()));
        }
        let record = self.believed(record)?;
        match permitted {
            // one that the registry lost, too: an operator may have taken it into use again since the permit was given
            Permitted::Application if record.active => Err(Error::ApplicationActive(record.id)),
            Permitted::Application => {
                self.give_places_up(&record, true, removal.request).await?;
                Ok(Some(record))
            }
            Permitted::Destinations { settings_generation } => {
                if record.settings_generation < *settings_generation {
                    return Err(Error::SettingsBehind(record.id));
                }
                // what the catalog moved elsewhere is not destroyed before the move is confirmed
                self.give_places_up(&record, false, removal.request).await?;
                Ok(Some(record))
            }
        }
    }

    /// Where the settings put credentials now.
    fn asked(&self, record: &Application) -> Vec<Place> {
        let settings = record.settings.iter();
        let destinations = settings.flat_map(|settings| {
            settings.kinds().iter().flat_map(|kind| settings.destinations(&record.id, *kind))
        });
        destinations.map(|destination| Place::of(&destination, &self.default_store)).collect()
    }

    /// What is remembered, with attempts as old as they are.
    async fn memory(&self, warrant: &Warrant) -> Result<Memory, Error> {
        let memory = self.ports.tombstones.read(warrant).await?;
        let clock = self.ports.clock.as_ref();
        let attempts = self.ages.present(&warrant.application, memory.attempts, clock);
        Ok(Memory { attempts, ..memory })
    }

    fn graves(&self, task: &Task, memory: &Memory) -> (Vec<Grave>, Vec<u64>) {
        graves(&Scene {
            objects: &memory.objects,
            attempts: &memory.attempts,
            permit: &task.warrant.permit,
            is_known: memory.is_known,
            removal: &task.permit.removal,
            asked: &task.asked,
            now: self.ports.clock.now(),
        })
    }

    /// Puts what the plan says; answers what came of it by place.
    async fn overwrite(&self, removal: &Removal, task: &Task) -> Result<Vec<(Place, PutAnswer)>, Error> {
        let memory = self.memory(&task.warrant).await?;
        let (graves, obsolete) = self.graves(task, &memory);
        let mut answers = Vec::new();
        let ready = self.ready_tombstones(task, &memory, &graves, &mut answers).await;
        let settings = task.record.as_ref().and_then(|record| record.settings.as_ref());
        let mut order = Order {
            covered: Vec::new(),
            ended: Vec::new(),
            starts: ready.iter().map(|put| (put.content.clone(), put.start.clone())).collect(),
            obsolete,
            at: self.ports.clock.now(),
        };
        if !memory.is_known {
            order.covered = graves.iter().map(|grave| (grave.object.place.clone(), grave.since)).collect();
            order.ended = ended_kinds(&task.permit.removal, settings);
        }
        if ready.is_empty() {
            // nothing that lacks its turn may be dropped
            order.obsolete.clear();
            self.ports.tombstones.begin(&task.warrant, &order).await?;
            return Ok(answers);
        }
        let announced = self.ports.audit.announce(act(removal, &ready)).await?;
        let numbers = match self.ports.tombstones.begin(&task.warrant, &order).await {
            Ok(numbers) => numbers,
            Err(error) => return Err(self.give_up(announced, error.into()).await),
        };
        self.ages.note(&removal.application, &numbers, self.ports.clock.as_ref());
        let places: Vec<Place> = ready.iter().map(|put| put.start.place.clone()).collect();
        let outcomes = self.put_all(&removal.application, ready, &announced).await;
        self.remember(&removal.application, &numbers, &outcomes, announced).await?;
        answers.extend(places.into_iter().zip(outcomes));
        Ok(answers)
    }

    async fn ready_tombstones(
        &self,
        task: &Task,
        memory: &Memory,
        graves: &[Grave],
        answers: &mut Vec<(Place, PutAnswer)>,
    ) -> Vec<Ready> {
        let mut ready = Vec::new();
        for (index, grave) in graves.iter().enumerate().filter(|(_, grave)| grave.step == Step::Put) {
            match self.ready_tombstone(task, memory, index, grave).await {
                Ok(put) => ready.push(put),
                Err(trouble) => answers.push((grave.object.place.clone(), PutAnswer::Refused(trouble))),
            }
        }
        ready
    }

    async fn ready_tombstone(
        &self,
        task: &Task,
        memory: &Memory,
        index: usize,
        grave: &Grave,
    ) -> Result<Ready, Trouble> {
        let settings = task.record.as_ref().and_then(|record| record.settings.as_ref());
        let (place, now) = (&grave.object.place, self.ports.clock.now());
        let destination = destination_of(&grave.object, &memory.objects, settings, &self.default_store)
            .map_err(forgotten)?;
        if let Some(trouble) = self.refused_store(place) {
            return Err(trouble);
        }
        let body = Body::new(Zeroizing::new(tombstone_text(grave.since).into_bytes()));
        self.ready(index, (place, &destination), &grave.content, &body, now).await
    }

    fn refused_store(&self, place: &Place) -> Option<Trouble> {
        let bucket = place.bucket.parse().ok()?;
        let (prefix, region) = (mint_types::Prefix::default(), String::new());
        self.refused_endpoint(&Spot {
            account_id: None,
            prefix,
            bucket,
            region,
            endpoint: place.store.clone(),
            kms_key_id: None,
        })
    }

    /// Looks again at everything that is remembered; answers, too, what the catalog may forget.
    async fn account(
        &self,
        task: &Task,
        answers: Vec<(Place, PutAnswer)>,
    ) -> Result<(Overwritten, Vec<RemovedDestination>), Error> {
        let memory = self.memory(&task.warrant).await?;
        let (graves, _) = self.graves(task, &memory);
        let now = self.ports.clock.now();
        let lines = graves.iter().map(|grave| {
            let place = grave.object.place.clone();
            let answer = answers.iter().find(|(answered, _)| *answered == place);
            Line { state: line_state(grave.step, answer.map(|(_, answer)| answer.clone()), now), place }
        });
        let is_complete = graves.iter().all(|grave| grave.step == Step::Settled);
        let overwritten = Overwritten { lines: lines.collect(), is_complete };
        Ok((overwritten, self.forgettable(task, &memory, &graves)))
    }

    /// The removed destinations that hold no credential any more, or never did.
    fn forgettable(&self, task: &Task, memory: &Memory, graves: &[Grave]) -> Vec<RemovedDestination> {
        let Permitted::Destinations { .. } = task.permit.removal else { return Vec::new() };
        let removed = task.record.iter().flat_map(|record| &record.removed_destinations);
        let is_bare = |removed: &&RemovedDestination| {
            let destination = Destination {
                bucket: removed.bucket.clone(),
                account_id: removed.account_id.clone(),
                key: removed.key.clone(),
            };
            let place = Place::of(&destination, &self.default_store);
            memory.objects.iter().filter(|object| object.place.may_be(&place)).all(|object| {
                let grave = graves.iter().find(|grave| grave.object.place == object.place);
                grave.is_some_and(|grave| grave.step == Step::Settled)
            })
        };
        removed.filter(is_bare).cloned().collect()
    }
}

pub(crate) const ACTION: &str = "destination.tombstone";

fn act(removal: &Removal, ready: &[Ready]) -> Act {
    let resources: Vec<String> =
        ready.iter().map(|put| format!("{}/{}", put.start.place.bucket, put.start.place.key)).collect();
    Act {
        action: ACTION,
        application: Some(removal.application.clone()),
        kind: None,
        resource: resources.join(" "),
        rotation: None,
        request: removal.request,
    }
}

fn forgotten(why: &str) -> Trouble {
    Trouble {
        reason: "DESTINATION_OWNER_UNKNOWN",
        detail: why.to_owned(),
        next_action: "overwrite or delete the object by hand",
        retry_after: None,
    }
}
