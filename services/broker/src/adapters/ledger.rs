//! The audit log over gRPC.

use async_trait::async_trait;
use mint_api::audit_log::{Act, Announced, AuditError, AuditLog as _, Behalf, GrpcAuditLog, Outcome};
use mint_runtime::Channel;

use crate::ports::Ledger;

/// `audit`, by its channel.
#[derive(Debug, Clone)]
pub struct GrpcLedger(pub GrpcAuditLog<Channel>);

#[async_trait]
impl Ledger for GrpcLedger {
    async fn announce(&self, act: Act, behalf: Behalf) -> Result<Announced, AuditError> {
        self.0.announce_for(act, behalf).await
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError> {
        self.0.conclude(announced, outcome).await
    }
}
