//! The audit log in memory, with faults.

use async_trait::async_trait;
use mint_api::audit_log::{Act, Announced, AuditError, AuditLog, Outcome};

use super::{Course, World, outage};

#[async_trait]
impl AuditLog for World {
    async fn announce(&self, act: Act) -> Result<Announced, AuditError> {
        let course = self.course("announce").await;
        if matches!(course, Course::Refused) {
            return Err(AuditError(outage()));
        }
        let announced = self.log.announce(act).await;
        match course {
            Course::Normal | Course::Refused => announced,
            Course::Unanswered => Err(AuditError(outage())),
            Course::DiesAfter => self.die().await,
        }
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError> {
        let course = self.course("conclude").await;
        if matches!(course, Course::Refused) {
            return Err(AuditError(outage()));
        }
        let concluded = self.log.conclude(announced, outcome).await;
        match course {
            Course::Normal | Course::Refused => concluded,
            Course::Unanswered => Err(AuditError(outage())),
            Course::DiesAfter => self.die().await,
        }
    }
}
