//! The services' ports, into the scene.

mod audit;
mod coordinator;
mod distributor;
mod issuer;
mod network;
mod provisioner;
mod rotator;

pub(crate) use audit::Audit;
pub(crate) use coordinator::Wire;
pub(crate) use distributor::DistributorWorld;
pub(crate) use network::{Member, Network, Replicas};
pub(crate) use provisioner::ProvisionerWorld;
pub(crate) use rotator::{RotatorWorld, declaration};

use std::sync::Arc;

use futures::future::BoxFuture;
use mint_api::WireFault;
use mint_store::Error;
use mint_types::{Application, ApplicationId, Revision};
use tonic::Status;

use crate::disk::CommitProbe;
use crate::faults::{COMMIT_AFTER, COMMIT_BEFORE, Fault, READ};
use crate::scene::Life;

/// How long a service waits for another one's read.
const READ_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

pub(crate) fn outage() -> WireFault {
    WireFault::from_status(&Status::unavailable("injected"))
}

/// Why a read of the catalog has no answer.
pub(crate) enum NoRecord {
    Outage,
    Behind,
    Unknown,
}

impl Life {
    /// Reads at somebody else's; false if there is no answer.
    pub(crate) async fn reads(&self, point: &str) -> bool {
        let fault = self.meets(point, READ).await;
        self.travel().await;
        match fault {
            None => true,
            Some(Fault::LostReply) => {
                tokio::time::sleep(READ_DEADLINE).await;
                false
            }
            Some(_) => false,
        }
    }

    /// Reads the catalog.
    pub(crate) async fn record(
        &self,
        id: &ApplicationId,
        at_least: Revision,
    ) -> Result<Application, NoRecord> {
        if !self.reads("catalog").await {
            return Err(NoRecord::Outage);
        }
        let state = self.scene.locked();
        if state.catalog.revision < at_least {
            return Err(NoRecord::Behind);
        }
        state.catalog.records.get(id).cloned().ok_or(NoRecord::Unknown)
    }
}

/// What happens to a process's durable writes.
#[derive(Debug)]
pub(crate) struct Writes(pub(crate) Life);

/// Commits are many: of calls and commits together, about the asked share goes wrong.
const COMMITS_SHARE: u64 = 8;

impl Writes {
    pub(crate) fn of(life: &Life) -> Arc<dyn CommitProbe> {
        Arc::new(Self(life.clone()))
    }

    fn meets(&self, point: &str, kinds: &[Fault]) -> Option<Fault> {
        self.0.scene.locked().meets(self.0.process, point, kinds, COMMITS_SHARE)
    }
}

impl CommitProbe for Writes {
    fn before_commit(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match self.meets("before a commit", COMMIT_BEFORE) {
                Some(Fault::CrashBefore) => self.0.die().await,
                Some(_) => Err(Error::Unavailable { detail: "the disk is full".to_owned() }),
                None => Ok(()),
            }
        })
    }

    fn after_commit(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match self.meets("after a commit", COMMIT_AFTER) {
                Some(Fault::CrashAfter) => self.0.die().await,
                Some(_) => Err(Error::OutcomeUnknown { detail: "the connection broke".to_owned() }),
                None => Ok(()),
            }
        })
    }
}
