//! The coordinator's own state cannot be written: it reads, says so, does nothing, and goes on when there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::audit_log::MemoryAuditLog;
use mint_api::coordination::v1::coordination_service_server::CoordinationService;
use mint_api::coordination::v1::{
    GetApplicationRequest, ListApplicationsRequest, PauseRequest, ResumeRequest,
};
use mint_api::types::v1::Problem;
use mint_coordinator::{
    ApplicationState, Change, Control, Decide, Desk, Edit, Engine, Held, Lease, NotKept, Operator, Overlong,
    Reported, Revocation, Rpc, SqlStore, Started, Store, StoreError, Taker,
};
use mint_port::Port;
use mint_types::{Application, ApplicationId, Clock, Revision, SpiffeId, TeamId, Timestamp};
use tonic::Request;

use crate::stage::{Stage, application, parts, policy};
use crate::world::LEASE;

/// A store on a disk that is full when told so: reads answer, writes do not; or that is slow to grant leases.
#[derive(Debug)]
pub(crate) struct FullDisk {
    pub(crate) store: SqlStore,
    pub(crate) full: Arc<AtomicBool>,
    pub(crate) slow: Option<Slow>,
}

/// The write of every lease is answered at this time.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) clock: mint_testkit::ManualClock,
    pub(crate) until: Timestamp,
    pub(crate) granted: Arc<AtomicBool>,
}

impl FullDisk {
    fn room(&self) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(mint_store::Error::Unavailable { detail: "the disk is full".into() }.into());
        }
        Ok(())
    }
}

#[async_trait]
impl Store for FullDisk {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }
    async fn take_in(
        &self,
        records: &[Application],
        up_to: Revision,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.room()?;
        self.store.take_in(records, up_to, now).await
    }
    async fn reclaim(&self, holder: &str) -> Result<(), StoreError> {
        self.room()?;
        self.store.reclaim(holder).await
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.room()?;
        self.store.probe().await
    }
    async fn due(
        &self,
        holder: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ApplicationId>, StoreError> {
        self.store.due(holder, now, limit).await
    }
    async fn reserved(&self, lease: &Lease) -> Result<Option<(Desk, Control)>, StoreError> {
        self.store.reserved(lease).await
    }
    async fn report(
        &self,
        reports: &[Reported],
        now: Timestamp,
    ) -> Result<Vec<Result<(), NotKept>>, StoreError> {
        self.room()?;
        self.store.report(reports, now).await
    }
    async fn pause_issuer(&self, until: Timestamp, latest: Timestamp) -> Result<(), StoreError> {
        self.room()?;
        self.store.pause_issuer(until, latest).await
    }
    async fn overlong(&self, latest: Timestamp) -> Result<Vec<Overlong>, StoreError> {
        self.store.overlong(latest).await
    }
    async fn end_overlong(&self, overlong: &Overlong) -> Result<bool, StoreError> {
        self.room()?;
        self.store.end_overlong(overlong).await
    }
    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_wake(now).await
    }
    async fn take(
        &self,
        application: &ApplicationId,
        taker: Taker<'_>,
        decide: &Decide<'_>,
    ) -> Result<Option<Held>, StoreError> {
        self.room()?;
        let held = self.store.take(application, taker, decide).await?;
        if let Some(slow) = self.slow.as_ref().filter(|_| held.is_some()) {
            slow.granted.store(true, Ordering::Relaxed);
            slow.clock.advance(slow.until.since(slow.clock.now()));
        }
        Ok(held)
    }
    async fn commit(&self, lease: &Lease, change: &Change) -> Result<bool, StoreError> {
        self.room()?;
        self.store.commit(lease, change).await
    }
    async fn desk(&self, application: &ApplicationId) -> Result<Option<Desk>, StoreError> {
        self.store.desk(application).await
    }
    async fn desks(
        &self,
        after: Option<&ApplicationId>,
        team: Option<&TeamId>,
        limit: usize,
    ) -> Result<Vec<Desk>, StoreError> {
        self.store.desks(after, team, limit).await
    }
    async fn changed_since(&self, since: Timestamp) -> Result<Vec<(ApplicationId, u64)>, StoreError> {
        self.store.changed_since(since).await
    }
    async fn edit(
        &self,
        application: &ApplicationId,
        now: Timestamp,
        edit: &Edit<'_>,
    ) -> Result<Option<Vec<Started>>, StoreError> {
        self.room()?;
        self.store.edit(application, now, edit).await
    }
    async fn set_paused(
        &self,
        application: &ApplicationId,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.room()?;
        self.store.set_paused(application, reason, now).await
    }
    async fn set_all_paused(&self, reason: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
        self.room()?;
        self.store.set_all_paused(reason, now).await
    }
    async fn all_paused(&self) -> Result<Option<String>, StoreError> {
        self.store.all_paused().await
    }

    async fn keep_revocations(&self, asked: &[Revocation]) -> Result<(), StoreError> {
        self.room()?;
        self.store.keep_revocations(asked).await
    }

    async fn revocations(&self, after: Option<&Revocation>) -> Result<Vec<Revocation>, StoreError> {
        self.store.revocations(after).await
    }

    async fn close_revocation(
        &self,
        revocation: &Revocation,
        outcome: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.room()?;
        self.store.close_revocation(revocation, outcome, now).await
    }

    async fn wake_all(&self) -> Result<(), StoreError> {
        self.room()?;
        self.store.wake_all().await
    }
}

/// A coordinator on such a disk.
async fn stage_on_disk() -> (Stage, Rpc, Arc<AtomicBool>) {
    let mut stage = Stage::new().await;
    let full = Arc::new(AtomicBool::new(false));
    let disk = FullDisk { store: stage.store.clone(), full: Arc::clone(&full), slow: None };
    stage.parts = parts(&stage.world, Arc::new(disk), policy("one"), 1);
    stage.engine = Engine::new(Arc::clone(&stage.parts));
    let rpc = Rpc::new(Operator::new(
        Arc::clone(&stage.parts),
        Port::held_by("coordinator", Arc::new(MemoryAuditLog::default())),
    ));
    (stage, rpc, full)
}

async fn listed(rpc: &Rpc) -> Vec<Problem> {
    let list = ListApplicationsRequest::default();
    rpc.list_applications(Request::new(list)).await.unwrap().into_inner().problems
}

async fn shown(rpc: &Rpc) -> Vec<Problem> {
    let one = GetApplicationRequest { application_id: "app-a".into() };
    rpc.get_application(asked(one)).await.unwrap().into_inner().problems
}

fn asked<T>(message: T) -> Request<T> {
    let peer: SpiffeId = "spiffe://mint.local/operator/second".parse().unwrap();
    let mut request = Request::new(message);
    request.extensions_mut().insert(peer);
    request
}

#[tokio::test]
async fn a_coordinator_that_cannot_write_says_so_until_it_can() {
    let (mut stage, rpc, full) = stage_on_disk().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    assert!(listed(&rpc).await.is_empty());

    full.store(true, Ordering::Relaxed);
    let began = stage.clock.now();
    let stop = PauseRequest { application_id: "app-a".into(), reason: "test".into() };
    let refused = rpc.pause(asked(stop)).await.unwrap_err();
    assert_eq!(WireFault::from_status(&refused).reason, "STATE_UNAVAILABLE");
    stage.clock.advance(Duration::from_mins(1));
    assert!(stage.parts.store.probe().await.is_err());

    let problems = listed(&rpc).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems, shown(&rpc).await);
    let problem = mint_types::Problem::try_from(problems[0].clone()).unwrap();
    assert_eq!((problem.kind.as_str(), problem.since, problem.attempts), ("state_unavailable", began, 2));
    assert!(problem.detail.contains("the disk is full") && !problem.next_action.is_empty(), "{problem:?}");

    full.store(false, Ordering::Relaxed);
    assert!(!listed(&rpc).await.is_empty(), "room alone proves nothing");
    stage.parts.store.probe().await.unwrap();
    assert!(listed(&rpc).await.is_empty() && shown(&rpc).await.is_empty());
    rpc.resume(asked(ResumeRequest { application_id: "app-a".into() })).await.unwrap();
}

#[tokio::test]
async fn a_write_that_found_nothing_to_do_does_not_end_the_trouble() {
    let (stage, rpc, full) = stage_on_disk().await;
    stage.take_in(&[application("app-a", 1)]).await;
    full.store(true, Ordering::Relaxed);
    assert!(stage.parts.store.probe().await.is_err());
    full.store(false, Ordering::Relaxed);
    let store = &stage.parts.store;
    let unknown: ApplicationId = "app-z".parse().unwrap();
    assert!(!store.set_paused(&unknown, None, stage.clock.now()).await.unwrap());
    store.take_in(&[], Revision(0), stage.clock.now()).await.unwrap();
    store.reclaim("nobody").await.unwrap();
    assert_eq!(listed(&rpc).await.len(), 1);
    assert!(store.set_paused(&"app-a".parse().unwrap(), None, stage.clock.now()).await.unwrap());
    assert!(listed(&rpc).await.is_empty());
}

#[tokio::test]
async fn a_full_disk_in_the_middle_of_a_rotation_is_told_and_loses_nothing() {
    let (mut stage, rpc, full) = stage_on_disk().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let fills = Arc::clone(&full);
    stage.world.rule(move |seen| {
        if seen.api == "deliver" {
            fills.store(true, Ordering::Relaxed);
        }
        None
    });
    stage.turn().await;
    assert_eq!(listed(&rpc).await[0].r#type, "state_unavailable");
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Pending);

    stage.world.heal();
    full.store(false, Ordering::Relaxed);
    // what could not be given back ends by itself
    stage.clock.advance(LEASE);
    stage.live_for(Duration::from_mins(2)).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    assert!(listed(&rpc).await.is_empty());
    assert_eq!(stage.status("app-a").await.problems, []);
    stage.world.assert_sound();
}

#[tokio::test]
async fn the_next_commit_of_a_worker_ends_the_trouble_too() {
    let (mut stage, rpc, full) = stage_on_disk().await;
    full.store(true, Ordering::Relaxed);
    assert!(stage.parts.store.probe().await.is_err());
    full.store(false, Ordering::Relaxed);
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    assert!(listed(&rpc).await.is_empty());
}
