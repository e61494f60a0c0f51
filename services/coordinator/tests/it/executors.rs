//! The world behind each port: identities, issuer, buckets.

use std::time::Duration;

use async_trait::async_trait;
use mint_coordinator::{
    Call, Delivery, DestinationAnswer, Distributor, Ensured, Identities, NewVersion, Proof, Retirement,
    RotationCall, Rotator,
};
use mint_saga::{Created, Failure, Sealed};
use mint_testkit::SeededEntropy;
use mint_types::{Version, VersionId};

use super::{GRACE, OVERLAP, World};

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
            Ensured { client_id, applied: call.revision }
        };
        Ok(self.leave(fault, answer).await)
    }

    async fn disable(&self, call: &Call) -> Result<bool, Failure> {
        let (_busy, fault) = self.enter("disable", call, None).await?;
        self.state().disabled.insert(call.application.to_string());
        Ok(self.leave(fault, true).await)
    }

    async fn enable(&self, call: &Call) -> Result<(), Failure> {
        let (_busy, fault) = self.enter("enable", call, None).await?;
        self.state().disabled.remove(call.application.as_str());
        self.leave(fault, ()).await;
        Ok(())
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
            issuer.live.insert(version);
            Ok(NewVersion {
                created: Created {
                    version: Version(version),
                    version_id: VersionId::random(&SeededEntropy::new(version)),
                    fingerprint: format!("fingerprint-{version}"),
                    previous: Version(previous),
                    probe: Sealed::new(format!("probe {version}").into_bytes()),
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
            if left > Duration::ZERO {
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

    async fn abandon(&self, call: &RotationCall) -> Result<(), Failure> {
        let (_busy, fault) = self.enter("abandon", &call.call, Some(call)).await?;
        self.with_issuer(call, |issuer, broken, _| {
            if issuer.receipts.contains_key(&call.rotation) {
                broken.push(format!("a delivered rotation is abandoned: {}", call.rotation));
            }
            issuer.abandoned.insert(call.rotation);
        });
        self.leave(fault, ()).await;
        Ok(())
    }
}

#[async_trait]
impl Distributor for World {
    async fn deliver(&self, call: &RotationCall, envelope: &Sealed) -> Result<Delivery, Failure> {
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
                return Delivery { receipt: Sealed::new(vec![]), destinations };
            }
            if issuer.delivered.is_some_and(|newest| newest > version) {
                broken.push(format!("{version} is written over a newer one"));
            }
            issuer.delivered = Some(version);
            Delivery {
                receipt: Sealed::new(format!("receipt {} {version}", call.rotation).into_bytes()),
                destinations: vec![DestinationAnswer::Written],
            }
        });
        Ok(self.leave(fault, answer).await)
    }
}
