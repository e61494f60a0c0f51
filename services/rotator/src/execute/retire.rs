//! AcceptReceipt and Retire: the overlap begins, and ends the previous version.

use std::time::Duration;

use mint_api::audit_log::{Announced, Outcome};
use mint_types::{IssuerObject, Version};

use super::{Order, Rotator, failure};
use crate::Error;
use crate::ledger::ToldOf;
use crate::plan::{self, AcceptPlan, Commit, Delivered, RetirePlan};

const ACTION: &str = "credential.retire";

/// The receipt is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// How long Retire will still be refused.
    pub retire_after: Duration,
}

/// The previous version was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirement {
    /// The version of the same kind that ends; none if there was none of ours.
    pub retired: Option<Version>,
    /// How long the issuer may still accept it.
    pub grace: Duration,
}

impl Rotator {
    /// Verifies and stores the distributor's receipt; from here on the envelopes are forgotten and the overlap runs.
    pub async fn accept_receipt(&self, order: &Order, receipt: &[u8]) -> Result<Accepted, Error> {
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        if let AcceptPlan::Verify(made) = plan::accept(&state, order.ask)? {
            let receipt = self.parts.distributor.verify(receipt).await?;
            let _delivered: Delivered = plan::check_receipt(&receipt, &order.application, order.ask, &made)?;
            ledger.deliver(&order.application, order.token, order.ask, &self.now()).await?;
        }
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        let left = plan::overlap_left(&state, order.ask, &self.parts.rules, &self.now())?;
        let retire_after = left.unwrap_or_else(|| plan::overlap(&state, order.ask, &self.parts.rules));
        Ok(Accepted { retire_after })
    }

    /// Commits, which ends the previous version; refused without a receipt and before the overlap has passed.
    pub async fn retire(&self, order: &Order) -> Result<Retirement, Error> {
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        match plan::retire(&state, order.ask, &self.parts.rules, &self.now())? {
            RetirePlan::Retired(retired) => {
                if state.rotation(order.ask.rotation).is_some_and(|rotation| !rotation.told.retire) {
                    self.tell_again(order, ACTION, ToldOf::Retire).await?;
                }
                Ok(self.retirement(order, retired))
            }
            RetirePlan::BeginOverlap(retry_after) => {
                ledger.begin_overlap(&order.application, order.token, order.ask, &self.now()).await?;
                Err(Error::OverlapNotPassed { retry_after })
            }
            RetirePlan::Commit { delivered, commits, retires } => {
                self.commit_all(order, &delivered, &commits, retires).await?;
                Ok(self.retirement(order, retires))
            }
        }
    }

    async fn commit_all(
        &self,
        order: &Order,
        delivered: &Delivered,
        commits: &[Commit],
        retires: Option<Version>,
    ) -> Result<(), Error> {
        let username = self.username(&order.application);
        let calls = u32::try_from(commits.len()).unwrap_or(u32::MAX);
        self.parts.budget.take(calls, &self.parts.clock.monotonic())?;
        let announced = self.parts.audit.announce(order.act(ACTION, username.clone())).await?;
        let ledger = &self.parts.ledger;
        let outcome = async {
            ledger.begin_retire(&order.application, order.token, order.ask).await?;
            for commit in commits {
                self.commit(&announced, delivered, commit, &username).await?;
                ledger.committed(&order.application, order.ask, commit.object, &self.now()).await?;
            }
            ledger.retired(&order.application, order.ask, retires, &self.now()).await
        }
        .await;
        match outcome {
            Ok(()) => {
                self.conclude(announced, Outcome::Success, Some((order.ask.rotation, ToldOf::Retire))).await
            }
            Err(error) => {
                if let Err(untold) = self.conclude(announced, failure(&error), None).await {
                    tracing::warn!(code = untold.reason(), "the outcome of a failed act is not in the log");
                }
                Err(error)
            }
        }
    }

    async fn commit(
        &self,
        announced: &Announced,
        delivered: &Delivered,
        commit: &Commit,
        username: &str,
    ) -> Result<(), Error> {
        let issuer = &self.parts.issuer;
        match commit.object {
            IssuerObject::User => issuer
                .commit_password(announced, delivered, username, &commit.txid)
                .await
                .map_err(|error| Error::Issuer { call: "commit password", error }),
            IssuerObject::Client => issuer
                .commit_client(announced, delivered, username, &commit.txid)
                .await
                .map_err(|error| Error::Issuer { call: "commit client", error }),
        }
    }

    fn retirement(&self, order: &Order, retired: Option<Version>) -> Retirement {
        Retirement { retired, grace: plan::grace(order.ask.kind, retired, &self.parts.rules) }
    }
}
