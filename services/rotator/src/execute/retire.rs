//! AcceptReceipt and Retire: the overlap begins, and ends the previous version.

use std::time::Duration;

use mint_api::audit_log::{Announced, Outcome};
use mint_issuer_contract::Handle;
use mint_secret::Evidence;
use mint_types::{IssuerObject, RotationId, Version};

use super::{Order, Rotator, VERSION_GONE, Verb, call_name, set, subject};
use crate::Error;
use crate::error::IssuerError;
use crate::ledger::{EndCalls, ToldOf};
use crate::plan::{self, AcceptPlan, Commit, Delivered, RetirePlan};
use crate::state::Instant;

const ACTION: &str = "credential.retire";

/// The receipt is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// How long Retire will still be refused.
    pub retire_after: Duration,
    /// Whether every destination has it; else only its value was set, and the rest is still to be delivered to.
    pub whole: bool,
}

/// The previous version was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirement {
    /// The version of the same kind that ends; none if there was none of ours.
    pub retired: Option<Version>,
    /// How long the issuer may still accept it.
    pub grace: Duration,
}

/// What lets ends be sent, and by which numbers they are waited for.
pub(super) struct Sent<'a> {
    pub(super) announced: &'a Announced,
    pub(super) delivered: &'a Delivered,
    pub(super) rotation: RotationId,
    pub(super) calls: EndCalls,
    /// When that became durable.
    pub(super) intended: Instant,
}

impl Rotator {
    /// Verifies and stores the distributor's receipt; from here on the envelopes are forgotten and the overlap runs. A
    /// value that the issuer does not have yet is set first, and for that a receipt of some destinations is enough.
    pub async fn accept_receipt(&self, order: &Order, receipt: &[u8]) -> Result<Accepted, Error> {
        let outcome = self.try_accept(order, receipt).await;
        self.tell_refusal(&outcome, || self.act("receipt.accept", order));
        outcome
    }

    async fn try_accept(&self, order: &Order, receipt: &[u8]) -> Result<Accepted, Error> {
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        if let AcceptPlan::Verify { made, sets } = plan::accept(&state, order.ask, self.ends())? {
            let evidence = self.parts.distributor.verify(receipt).await?;
            let partial = matches!(evidence, Evidence::Partial(_));
            if partial && !self.sets_on_first_write(order.ask.kind) {
                let problem = "it is for some destinations only, and nothing has to be set before the rest";
                return Err(Error::ReceiptInvalid(problem.to_owned()));
            }
            let written = plan::check_receipt(evidence.receipt(), &order.application, order.ask, &made)?;
            if !sets.is_empty() {
                self.set(order, &made, &sets, &written).await?;
            } else if state.rotation(order.ask.rotation).is_some_and(set::is_untold) {
                self.tell_again(order, set::ACTION, ToldOf::Set).await?;
            }
            if partial {
                ledger.overtake(&order.application, order.token).await?;
                return Ok(Accepted { retire_after: Duration::ZERO, whole: false });
            }
            ledger.deliver(&order.application, order.token, order.ask, self.ends(), &self.now()).await?;
        } else {
            ledger.overtake(&order.application, order.token).await?;
        }
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        let left = plan::overlap_left(&state, order.ask, &self.parts.rules, &self.now())?;
        let retire_after = left.unwrap_or_else(|| plan::overlap(&state, order.ask, &self.parts.rules));
        Ok(Accepted { retire_after, whole: true })
    }

    /// Commits, which ends the previous version; refused without a receipt and before the overlap has passed.
    pub async fn retire(&self, order: &Order) -> Result<Retirement, Error> {
        let outcome = self.try_retire(order).await;
        self.tell_refusal(&outcome, || self.act(ACTION, order));
        outcome
    }

    async fn try_retire(&self, order: &Order) -> Result<Retirement, Error> {
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        match plan::retire(&state, order.ask, &self.parts.rules, &self.now())? {
            RetirePlan::Retired(retired) => {
                if state.rotation(order.ask.rotation).is_some_and(|rotation| !rotation.told.retire) {
                    self.tell_again(order, ACTION, ToldOf::Retire).await?;
                }
                ledger.overtake(&order.application, order.token).await?;
                Ok(self.retirement(order, retired))
            }
            RetirePlan::BeginOverlap(retry_after) => {
                ledger.begin_overlap(&order.application, order.token, order.ask, &self.now()).await?;
                Err(Error::OverlapBegins { retry_after })
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
        self.check_issuer().await?;
        let told = commits.iter().filter(|commit| commit.keep.is_some()).count();
        let calls = u32::try_from(told).unwrap_or(u32::MAX);
        self.parts.budget.take(calls, &self.parts.clock.monotonic())?;
        let announced =
            self.parts.audit.announce(order.act(ACTION, self.username(&order.application))).await?;
        let ledger = &self.parts.ledger;
        let outcome = async {
            let (awaited, intended) = (self.awaited(plan::told_of(commits)), self.now());
            let rules = &self.parts.rules;
            let (application, ask) = (&order.application, order.ask);
            if told == 0 {
                // nobody outside hears of it: there is no intent, and this one write is the act
                let answers: Vec<_> = commits.iter().map(|commit| (commit.object, None)).collect();
                let token = Some(order.token);
                return ledger.retired(application, token, ask, &answers, retires, &intended).await;
            }
            let calls =
                ledger.begin_retire(application, order.token, ask, &awaited, rules, &intended).await?;
            let sent = Sent { announced: &announced, delivered, rotation: ask.rotation, calls, intended };
            let mut last = None;
            for (place, commit) in commits.iter().enumerate() {
                if let Some((object, call)) = last.take() {
                    ledger.committed(application, ask, object, call, &self.now()).await?;
                }
                self.end_first(order, &sent, &commits[place..]).await?;
                last = Some((commit.object, sent.calls.on(commit.object)));
            }
            ledger.retired(application, None, ask, last.as_slice(), retires, &self.now()).await
        }
        .await;
        match outcome {
            Ok(()) => self.conclude(announced, Outcome::Success, Some((order, ToldOf::Retire))).await,
            Err(error) => Err(self.conclude_failed(announced, error).await),
        }
    }

    async fn end(
        &self,
        sent: &Sent<'_>,
        object: IssuerObject,
        username: &str,
        keep: &Handle,
    ) -> Result<(), Error> {
        // the handle says which version stays: no driver needs the client's id for that
        let subject = subject(object, username, "");
        let call = self.parts.issuer.end(sent.announced, sent.delivered, subject, keep);
        let ended = self.within_life(&sent.intended, call).await;
        if let Err(error) = &ended {
            self.end_failed(sent.rotation, object, &sent.calls, error).await?;
        }
        ended.map_err(|error| Error::Issuer { call: call_name(Verb::End, object), error })
    }

    /// Has the first of these end what it ends, if the issuer is to hear of it. If that fails, nothing is sent for the others.
    pub(super) async fn end_first(
        &self,
        order: &Order,
        sent: &Sent<'_>,
        commits: &[Commit],
    ) -> Result<(), Error> {
        let Some((commit, others)) = commits.split_first() else { return Ok(()) };
        let Some(keep) = &commit.keep else { return Ok(()) };
        let ended = self.end(sent, commit.object, &self.username(&order.application), keep).await;
        if ended.is_err() {
            self.never_sent(sent, others).await?;
        }
        self.unless_gone(order, commit.object, ended).await
    }

    /// The intents of these were durable, but their calls were never sent: nobody waits for them.
    async fn never_sent(&self, sent: &Sent<'_>, commits: &[Commit]) -> Result<(), Error> {
        let error = IssuerError::NotSent("the call before it failed".to_owned());
        for object in plan::told_of(commits) {
            self.end_failed(sent.rotation, object, &sent.calls, &error).await?;
        }
        Ok(())
    }

    /// What a refused end means: if the issuer knows the user, and not the version that is to stay, that one is gone, and the
    /// rotation is given up so that a fresh one can begin. Nothing is taken for ended: the answer may be a lie.
    async fn unless_gone(
        &self,
        order: &Order,
        object: IssuerObject,
        ended: Result<(), Error>,
    ) -> Result<(), Error> {
        let Err(error) = ended else { return Ok(()) };
        let Some(refused) = plan::refused_end(&error) else { return Err(error) };
        let state = self.parts.ledger.load(&order.application, order.ask.rotation).await?;
        if !plan::may_be_gone(&state, order.ask, object, refused) {
            return Err(error);
        }
        self.parts.budget.take(1, &self.parts.clock.monotonic())?;
        let username = self.username(&order.application);
        match self.parts.issuer.knows(subject(object, &username, "")).await {
            Ok(true) => {}
            Ok(false) => return Err(error),
            Err(unknown) => {
                tracing::warn!(code = unknown.reason(), error = %unknown, "a refused end was not looked into");
                return Err(error);
            }
        }
        if self.parts.ledger.give_up(&order.application, order.token, order.ask, object, refused).await? {
            tracing::warn!(
                application = order.application.as_str(),
                rotation = %order.ask.rotation,
                code = VERSION_GONE,
                "the issuer knows the user and not the version that it is to keep: a fresh one is made"
            );
            return Err(Error::VersionGone);
        }
        Err(error)
    }

    fn retirement(&self, order: &Order, retired: Option<Version>) -> Retirement {
        Retirement { retired, grace: plan::grace(order.ask.kind, retired, &self.parts.rules) }
    }
}
