//! The audit log, as each service holds it.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::audit_log::{Act, Announced, AuditError, AuditLog, MemoryAuditLog, Outcome};

use super::outage;
use crate::faults::{APPEND, Fault};
use crate::scene::Life;

/// How long a lost append is waited for, over its repetitions.
const DEADLINE: Duration = Duration::from_secs(15);

/// The log behind one service.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) life: Life,
    pub(crate) service: &'static str,
    pub(crate) log: MemoryAuditLog,
}

impl Audit {
    async fn after<T>(&self, fault: Option<Fault>, answer: T) -> Result<T, AuditError> {
        match fault {
            Some(Fault::LostReply) => {
                tokio::time::sleep(DEADLINE).await;
                Err(AuditError(outage()))
            }
            Some(Fault::CrashAfter) => self.life.die().await,
            _ => {
                self.life.travel().await;
                Ok(answer)
            }
        }
    }
}

#[async_trait]
impl AuditLog for Audit {
    async fn announce(&self, act: Act) -> Result<Announced, AuditError> {
        let fault = self.life.meets("audit.announce", APPEND).await;
        if fault == Some(Fault::NotSent) {
            return Err(AuditError(outage()));
        }
        let announced = self.log.announce(act).await?;
        {
            let mut state = self.life.scene.locked();
            state.announced(announced.leaf_index(), announced.act(), self.service);
            state.trace(|| {
                format!("{} announces {} {}", self.service, announced.act().action, announced.act().resource)
            });
        }
        self.after(fault, announced).await
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError> {
        let fault = self.life.meets("audit.conclude", APPEND).await;
        if fault == Some(Fault::NotSent) {
            return Err(AuditError(outage()));
        }
        self.life.scene.locked().concluded(announced.leaf_index());
        self.log.conclude(announced, outcome).await?;
        self.after(fault, ()).await
    }
}
