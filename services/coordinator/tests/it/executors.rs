//! The world behind each port: identities, issuer, buckets.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use mint_coordinator::{
    Abandonment, Call, Delivery, DestinationAnswer, Disabled, Distributor, Ensured, Finding, Identities,
    NewVersion, Overwritten, Permit, Proof, Remains, Removing, Retirement, RotationCall, Rotator, Verdict,
};
use mint_saga::{Created, Failure, Sealed};
use mint_testkit::SeededEntropy;
use mint_types::{Clock as _, CredentialKind, IssuerObject, Version, VersionId};

use super::{AGAIN, GRACE, Issuer, OVERLAP, TOMBSTONE, World};

/// As asked for, and nothing waits for anybody.
fn settled(call: &Call) -> Ensured {
    Ensured {
        client_id: format!("client-of-{}", call.application),
        applied: call.revision,
        incarnation: None,
        unconfirmed_redirect: None,
        unconfirmed_client_type: None,
        look_again_after: None,
    }
}

#[async_trait]
impl Identities for World {
    async fn ensure(&self, call: &Call) -> Result<Ensured, Failure> {
        let (_busy, fault) = self.enter("ensure", call, None).await?;
        let answer = {
            let mut state = self.state();
            let application = call.application.to_string();
            let times = state.ensured.entry(application.clone()).or_default();
            *times += 1;
            let client_id = state
                .clients
                .get(&application)
                .cloned()
                .unwrap_or_else(|| format!("client-of-{application}"));
            if state.deleted.contains(&application) && !state.released.contains(&application) {
                Err(Failure::new("IDENTITY_DELETED", "its name waits for release"))
            } else {
                if state.deleted.remove(&application) {
                    *state.incarnations.entry(application.clone()).or_default() += 1;
                }
                let incarnation = state.incarnations.get(&application).copied().unwrap_or_default();
                let unconfirmed_redirect = state.unconfirmed.get(&application).cloned();
                let left = state.heirs.get(&application).map(|until| until.since(self.clock.now()));
                let look_again_after = left.filter(|left| !left.is_zero());
                let waits = state.other_client_types.contains(&application);
                let unconfirmed_client_type = Some(waits || look_again_after.is_some());
                let incarnation = Some(incarnation);
                let applied = call.revision;
                Ok(Ensured {
                    client_id,
                    applied,
                    incarnation,
                    unconfirmed_redirect,
                    unconfirmed_client_type,
                    look_again_after,
                })
            }
        }?;
        Ok(self.leave(fault, answer).await)
    }

    async fn disable(&self, call: &Call) -> Result<Disabled, Failure> {
        let (_busy, fault) = self.enter("disable", call, None).await?;
        let answer = {
            let (mut state, now) = (self.state(), self.clock.now());
            let since = *state.disabled.entry(call.application.to_string()).or_insert(now);
            Disabled { existed: true, tombstone_until: Some(since.plus(TOMBSTONE)) }
        };
        Ok(self.leave(fault, answer).await)
    }

    async fn restore(&self, call: &Call) -> Result<Ensured, Failure> {
        let (_busy, fault) = self.enter("restore", call, None).await?;
        let application = call.application.to_string();
        let deleted = {
            let mut state = self.state();
            state.disabled.remove(&application);
            state.deleted.contains(&application)
        };
        if deleted {
            return Err(Failure::new("IDENTITY_DELETED", "it is gone"));
        }
        Ok(self.leave(fault, settled(call)).await)
    }

    async fn adopt(&self, call: &Call) -> Result<Ensured, Failure> {
        let (_busy, fault) = self.enter("adopt", call, None).await?;
        let application = call.application.to_string();
        *self.state().ensured.entry(application.clone()).or_default() += 1;
        Ok(self.leave(fault, settled(call)).await)
    }

    async fn delete(&self, call: &Call) -> Result<(), Failure> {
        let (_busy, fault) = self.enter("delete", call, None).await?;
        let application = call.application.to_string();
        self.rests(&application)?;
        {
            let mut state = self.state();
            state.deleted.insert(application.clone());
            state.disabled.remove(&application);
            *state.incarnations.entry(application.clone()).or_default() += 1;
            for (_, issuer) in state.issuers.iter_mut().filter(|((id, _), _)| *id == application) {
                issuer.live.clear();
            }
            let holds = |(id, _): &(String, CredentialKind), issuer: &Issuer| {
                *id == application && issuer.delivered.is_some()
            };
            let unreachable = state.refused.contains(&application);
            if !unreachable && state.issuers.iter().any(|(key, issuer)| holds(key, issuer)) {
                state.broken.push(format!("{application} is deleted before its objects are tombstones"));
            }
        }
        self.leave(fault, ()).await;
        Ok(())
    }

    async fn permit(&self, call: &Call, removing: Removing) -> Result<Permit, Failure> {
        let (_busy, fault) = self.enter("permit", call, None).await?;
        let application = call.application.to_string();
        if removing == Removing::Application && !self.state().deleted.contains(&application) {
            self.rests(&application)?;
        }
        Ok(self.leave(fault, Permit(format!("{removing:?} of {application}"))).await)
    }
}

impl World {
    /// Refuses while it is restorable.
    fn rests(&self, application: &str) -> Result<(), Failure> {
        let since = self.state().disabled.get(application).copied();
        let Some(since) = since else {
            return Err(Failure::new("IDENTITY_NOT_DISABLED", "it is in use"));
        };
        let left = TOMBSTONE.saturating_sub(self.clock.now().since(since));
        if left.is_zero() {
            return Ok(());
        }
        Err(Failure { retry_after: Some(left), ..Failure::new("TOMBSTONE_NOT_PASSED", "restorable") })
    }
}

#[async_trait]
impl Rotator for World {
    async fn create(&self, call: &RotationCall) -> Result<NewVersion, Failure> {
        let (_busy, fault) = self.enter("create", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            if !context.usable {
                broken.push(format!("a version for {} which has no user", call.call.application));
            }
            if issuer.receipts.contains_key(&call.rotation) || issuer.abandoned.contains(&call.rotation) {
                return Err(Failure::new("ENVELOPE_GONE", "the envelopes of this rotation are forgotten"));
            }
            let previous =
                issuer.made.values().map(|(version, _)| *version).filter(|version| {
                    issuer.receipts.keys().any(|rotation| issuer.made[rotation].0 == *version)
                });
            let previous = previous.max().unwrap_or(0);
            let next = issuer.last + 1;
            let (version, previous) = *issuer.made.entry(call.rotation).or_insert((next, previous));
            issuer.last = issuer.last.max(version);
            if !context.replaces {
                issuer.live.insert(version);
            }
            Ok(NewVersion {
                created: Created {
                    version: Version(version),
                    version_id: VersionId::random(&SeededEntropy::new(version)),
                    fingerprint: format!("fingerprint-{version}"),
                    previous: Version(previous),
                    probe: Sealed::new(format!("probe {version}").into_bytes()),
                    set_on_first_write: context.replaces,
                },
                delivery: Sealed::new(format!("envelope {} {version}", call.rotation).into_bytes()),
            })
        })?;
        Ok(self.leave(fault, answer).await)
    }

    async fn accept_receipt(&self, call: &RotationCall, receipt: &Sealed) -> Result<Duration, Failure> {
        let (_busy, fault) = self.enter("accept", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            let (version, previous) = issuer.made[&call.rotation];
            if context.replaces {
                issuer.live = [version].into();
                issuer.owed = None;
            }
            if receipt.as_bytes() == format!("partial {} {version}", call.rotation).as_bytes() {
                return Duration::ZERO;
            }
            if receipt.as_bytes() != format!("receipt {} {version}", call.rotation).as_bytes() {
                broken.push(format!("a foreign receipt for {}", call.rotation));
            }
            let overlap = if previous == 0 { Duration::ZERO } else { OVERLAP };
            let (at, overlap) = *issuer.receipts.entry(call.rotation).or_insert((context.now, overlap));
            overlap.saturating_sub(context.now.since(at))
        });
        Ok(self.leave(fault, answer).await)
    }

    async fn retire(&self, call: &RotationCall) -> Result<Retirement, Failure> {
        let (_busy, fault) = self.enter("retire", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            let Some((at, overlap)) = issuer.receipts.get(&call.rotation).copied() else {
                broken.push(format!("retire without a receipt: {}", call.rotation));
                return Err(Failure::new("RECEIPT_MISSING", "no receipt"));
            };
            let left = overlap.saturating_sub(context.now.since(at));
            if left > Duration::ZERO && issuer.through.is_none() {
                let mut failure = Failure::new("OVERLAP_NOT_PASSED", "too early");
                failure.retry_after = Some(left);
                return Err(failure);
            }
            let (version, previous) = issuer.made[&call.rotation];
            if !context.liar {
                issuer.live.retain(|live| *live == version);
            }
            issuer.retired.insert(call.rotation, previous);
            Ok(Retirement {
                ended: Version(previous),
                grace: if previous == 0 { Duration::ZERO } else { GRACE },
            })
        })?;
        Ok(self.leave(fault, answer).await)
    }

    async fn prove(&self, call: &RotationCall, probe: &Sealed) -> Result<Proof, Failure> {
        let (_busy, fault) = self.enter("prove", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, _| {
            let ended = issuer.retired.get(&call.rotation).copied();
            if ended.is_none_or(|ended| probe.as_bytes() != format!("probe {ended}").as_bytes()) {
                broken.push(format!("the wrong probe for {ended:?}: {:?}", probe.as_bytes()));
            }
            if ended.is_some_and(|ended| issuer.live.contains(&ended)) { Proof::Alive } else { Proof::Dead }
        });
        Ok(self.leave(fault, answer).await)
    }

    async fn revoke(
        &self,
        call: &Call,
        kind: CredentialKind,
        statement: &Sealed,
    ) -> Result<Remains, Failure> {
        let (_busy, fault) = self.enter("revoke", call, None).await?;
        if statement.as_bytes() == b"forged" {
            return Err(Failure::new("STATEMENT_SIGNERS_MISSING", "one signer"));
        }
        let remains = {
            let mut state = self.state();
            let made_on = |object: IssuerObject| {
                let there = |(id, other): &(String, CredentialKind)| {
                    let makes = *other != CredentialKind::PublicClient;
                    id == call.application.as_str() && makes && other.issuer_objects().contains(&object)
                };
                state.issuers.iter().filter(|(key, _)| there(key)).map(|(_, one)| one.last).sum::<u64>()
            };
            let all: BTreeMap<_, _> = kind.issuer_objects().iter().map(|on| (*on, made_on(*on))).collect();
            let issuer = state.issuers.entry((call.application.to_string(), kind)).or_default();
            let (through, last) = issuer.through.get_or_insert((all.clone(), issuer.last)).clone();
            let is_left = |object: &IssuerObject| all[object] == through[object];
            let remains: Vec<_> = all.keys().copied().filter(is_left).collect();
            if remains.is_empty() {
                // another kind's version took the place where none of this one was made
                issuer.live.retain(|live| *live == issuer.last && issuer.last > last);
            }
            Remains(remains)
        };
        Ok(self.leave(fault, remains).await)
    }

    async fn reconcile(&self, call: &Call, dry_run: bool) -> Result<Vec<Finding>, Failure> {
        let (_busy, fault) = self.enter("reconcile", call, None).await?;
        let finding = Finding {
            object: "user".to_owned(),
            reason: "UNRESOLVED_INTENT".to_owned(),
            detail: format!("dry run: {dry_run}"),
            next_action: "nothing".to_owned(),
        };
        let stranger = Finding {
            object: "client".to_owned(),
            reason: "UNACCOUNTED_VERSION".to_owned(),
            detail: "the issuer has 2 live versions".to_owned(),
            next_action: "rotate the application".to_owned(),
        };
        let has = self.state().strangers.contains(call.application.as_str());
        let findings = [Some(finding), has.then_some(stranger)].into_iter().flatten().collect();
        Ok(self.leave(fault, findings).await)
    }

    async fn check(&self, call: &Call, kind: CredentialKind, probe: &Sealed) -> Result<Verdict, Failure> {
        let (_busy, fault) = self.enter("check", call, None).await?;
        let answer = {
            let mut state = self.state();
            let issuer = state.issuers.entry((call.application.to_string(), kind)).or_default();
            let current = issuer.delivered.unwrap_or_default();
            let refuses = issuer.changed == Some(current);
            let refused = issuer.refused.entry(current).or_default();
            *refused = if refuses { *refused + 1 } else { 0 };
            let refused = *refused;
            let is_current = probe.as_bytes() == format!("probe {current}").as_bytes();
            if !is_current {
                state.broken.push(format!("the wrong probe for {current}: {:?}", probe.as_bytes()));
            }
            match refused {
                0 => Verdict::Accepted,
                1 => Verdict::RefusedOnce { retry_after: AGAIN },
                _ => Verdict::Refused,
            }
        };
        Ok(self.leave(fault, answer).await)
    }

    async fn abandon(&self, call: &RotationCall) -> Result<Abandonment, Failure> {
        let (_busy, fault) = self.enter("abandon", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, _, _| {
            if issuer.receipts.contains_key(&call.rotation) {
                issuer.too_late += 1;
                return Abandonment::Delivered;
            }
            issuer.abandoned.insert(call.rotation);
            Abandonment::GivenUp
        });
        Ok(self.leave(fault, answer).await)
    }
}

#[async_trait]
impl Distributor for World {
    async fn deliver(
        &self,
        call: &RotationCall,
        envelope: &Sealed,
        replaces: bool,
    ) -> Result<Delivery, Failure> {
        let (_busy, fault) = self.enter("deliver", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            let (version, _) = issuer.made[&call.rotation];
            if envelope.as_bytes() != format!("envelope {} {version}", call.rotation).as_bytes() {
                broken.push(format!("a foreign envelope for {}", call.rotation));
            }
            if context.refused {
                let mut failure = Failure::new("DESTINATION_REFUSED", "403 AccessDenied");
                failure.destination = Some(format!("bucket/{}", call.call.application));
                let destinations = vec![DestinationAnswer::Refused(failure)];
                let nothing = || Sealed::new(vec![]);
                return Delivery { receipt: nothing(), partial: nothing(), destinations };
            }
            if issuer.delivered.is_some_and(|newest| newest > version) {
                broken.push(format!("{version} is written over a newer one"));
            }
            issuer.delivered = Some(version);
            if context.replaces && !issuer.live.contains(&version) {
                issuer.owed = Some(version);
            }
            if context.hesitant {
                let refused = Failure::new("DESTINATION_REFUSED", "403 AccessDenied");
                let partial =
                    if replaces { format!("partial {} {version}", call.rotation) } else { String::new() };
                return Delivery {
                    receipt: Sealed::new(vec![]),
                    partial: Sealed::new(partial.into_bytes()),
                    destinations: vec![DestinationAnswer::Written, DestinationAnswer::Refused(refused)],
                };
            }
            Delivery {
                partial: Sealed::new(vec![]),
                receipt: Sealed::new(format!("receipt {} {version}", call.rotation).into_bytes()),
                destinations: vec![DestinationAnswer::Written],
            }
        });
        Ok(self.leave(fault, answer).await)
    }

    async fn tombstone(&self, call: &Call, permit: &Permit) -> Result<Overwritten, Failure> {
        let (_busy, fault) = self.enter("tombstone", call, None).await?;
        let application = call.application.to_string();
        let answer = {
            let mut state = self.state();
            if !permit.0.ends_with(&format!(" of {application}")) {
                state.broken.push(format!("a foreign permit for {application}: {permit:?}"));
            }
            if permit.0.starts_with("Application") && state.refused.contains(&application) {
                let mut failure = Failure::new("DESTINATION_REFUSED", "403 AccessDenied");
                failure.destination = Some(format!("bucket/{application}/user.json"));
                let objects = vec![DestinationAnswer::Written, DestinationAnswer::Refused(failure)];
                Overwritten { objects, complete: false }
            } else {
                if permit.0.starts_with("Application") {
                    for (_, issuer) in state.issuers.iter_mut().filter(|((id, _), _)| *id == application) {
                        issuer.delivered = None;
                    }
                }
                Overwritten { objects: vec![DestinationAnswer::Written], complete: true }
            }
        };
        Ok(self.leave(fault, answer).await)
    }
}
