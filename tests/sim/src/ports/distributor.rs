//! What the distributor sees.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::audit_log::Announced;
use mint_distributor::{Body, Catalog, ObjectStore, PutAnswer, RotatorKeys, SignedPut, Trouble};
use mint_secret::PublishedKey;
use mint_types::{Application, ApplicationId, Destination, RemovedDestination, Revision, Timestamp};

use super::{NoRecord, outage};
use crate::faults::{Fault, PUT};
use crate::outside::{Moment, Usable, application_of};
use crate::scene::{Life, Scene};

const SERVICE: &str = "distributor";
/// How long the distributor waits for a store.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a store takes at most for what arrived in time.
const SLOWEST: Duration = Duration::from_secs(20);
/// Stores refuse what was signed further ahead of their clock than this.
const TOLERATED: Duration = Duration::from_mins(15);

/// The outside of one distributor.
#[derive(Debug, Clone)]
pub(crate) struct DistributorWorld(pub(crate) Life);

/// A signed PUT, as the store reads it.
#[derive(Debug, Clone)]
struct Signed {
    bucket: String,
    key: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl Signed {
    fn url(&self) -> String {
        let (signed, expires) = (self.issued_at.unix_micros(), self.expires_at.unix_micros());
        format!("{}|{}|{signed}|{expires}", self.bucket, self.key)
    }

    fn of(url: &str) -> Option<Self> {
        let mut parts = url.split('|');
        let (bucket, key) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let mut time = || Some(Timestamp::from_unix_micros(parts.next()?.parse().ok()?));
        Some(Self { bucket, key, issued_at: time()?, expires_at: time()? })
    }

    /// By the store's own clock, which is right.
    fn is_accepted(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.issued_at <= now.plus(TOLERATED)
    }
}

fn trouble(reason: &'static str, retry_after: Option<Duration>) -> Trouble {
    Trouble { reason, detail: "injected".to_owned(), next_action: "nothing: it is tried again", retry_after }
}

fn unknown() -> PutAnswer {
    PutAnswer::Unknown(trouble("DESTINATION_UNKNOWN_OUTCOME", None))
}

fn refused() -> PutAnswer {
    PutAnswer::Refused(trouble("DESTINATION_REFUSED", None))
}

fn land(scene: &Scene, signed: &Signed, bytes: &[u8]) {
    let mut state = scene.locked();
    let application = application_of(&signed.key).to_owned();
    state.log_in_as(&application, Moment::BeforeDelivery);
    state.trace(|| format!("store: {}/{} is written", signed.bucket, signed.key));
    let (now, found) = (state.time.now(), Usable::parse(&signed.key, bytes));
    state.stores.land(&signed.bucket, &signed.key, found, now, scene.numbers.min_overlap);
    state.open_window(&application, &signed.bucket, &signed.key);
    state.log_in_as(&application, Moment::Delivered);
}

impl DistributorWorld {
    /// Arrives at some time before it expires, and is done some time after.
    fn land_late(&self, signed: Signed, body: &Body) {
        let (arrives, takes) = {
            let mut state = self.0.scene.locked();
            (state.within(self.0.scene.numbers.put_expiry), state.within(SLOWEST))
        };
        let (scene, bytes) = (Arc::clone(&self.0.scene), body.expose());
        tokio::spawn(async move {
            tokio::time::sleep(arrives).await;
            if signed.is_accepted(scene.time.now()) {
                tokio::time::sleep(takes).await;
                land(&scene, &signed, &bytes);
            }
        });
    }
}

#[async_trait]
impl ObjectStore for DistributorWorld {
    async fn sign(
        &self,
        destination: &Destination,
        _body: &Body,
        at: Timestamp,
    ) -> Result<SignedPut, Trouble> {
        let signed = Signed {
            bucket: destination.bucket.name.to_string(),
            key: destination.key.clone(),
            issued_at: at,
            expires_at: at.plus(self.0.scene.numbers.put_expiry),
        };
        Ok(SignedPut { url: signed.url(), headers: http::HeaderMap::new(), has_opaque_etag: false })
    }

    async fn put_object(&self, put: SignedPut, body: &Body, announced: &Announced) -> PutAnswer {
        let Some(signed) = Signed::of(&put.url) else { return refused() };
        self.0.scene.locked().acts(announced.leaf_index(), announced.act(), SERVICE);
        let fault = self.0.meets("store.put", PUT).await;
        match fault {
            Some(Fault::NotSent) => return PutAnswer::Refused(trouble("DESTINATION_UNREACHABLE", None)),
            Some(Fault::RateLimited) => {
                return PutAnswer::Refused(trouble("DESTINATION_REFUSED", Some(Duration::from_secs(5))));
            }
            Some(Fault::ErrorBefore | Fault::RubbishBefore | Fault::Partial) => return unknown(),
            Some(Fault::Late) => {
                self.land_late(signed, body);
                tokio::time::sleep(DEADLINE).await;
                return unknown();
            }
            _ => {}
        }
        self.0.travel().await;
        if !signed.is_accepted(self.0.scene.time.now()) {
            return refused();
        }
        land(&self.0.scene, &signed, &body.expose());
        match fault {
            Some(Fault::LostReply) => {
                tokio::time::sleep(DEADLINE).await;
                unknown()
            }
            Some(Fault::ErrorAfter | Fault::RubbishAfter) => unknown(),
            Some(Fault::CrashAfter) => self.0.die().await,
            _ => {
                self.0.travel().await;
                PutAnswer::Written
            }
        }
    }
}

#[async_trait]
impl Catalog for DistributorWorld {
    async fn application(&self, id: &ApplicationId, at_least: Revision) -> Result<Application, WireFault> {
        let found = self.0.record(id, at_least).await;
        found.map_err(|why| match why {
            NoRecord::Outage | NoRecord::Behind | NoRecord::Unknown => outage(),
        })
    }

    async fn overwritten(&self, id: &ApplicationId, removed: &[RemovedDestination]) -> Result<(), WireFault> {
        if !self.0.reads("catalog.overwritten").await {
            return Err(outage());
        }
        let forget = |record: &mut Application| {
            record.removed_destinations.retain(|place| !removed.contains(place));
        };
        self.0.scene.locked().catalog.change(id, false, forget);
        self.0.scene.catalog_changed.notify_waiters();
        Ok(())
    }
}

#[async_trait]
impl RotatorKeys for DistributorWorld {
    async fn list(&self) -> Result<Vec<PublishedKey>, WireFault> {
        if self.0.reads("rotator.keys").await {
            return Ok(self.0.scene.rotator_keys.published().to_vec());
        }
        Err(outage())
    }
}
