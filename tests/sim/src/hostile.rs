//! A coordinator that fell: it has the certificate, the leases and everything that was ever carried, and asks the
//! executors for what they must refuse. What it gets shows in the invariants.

use std::sync::Arc;

use mint_api::convert::kind_to_wire;
use mint_api::distribution::v1::DeliverRequest;
use mint_api::distribution::v1::distribution_service_server::DistributionService as _;
use mint_api::identity::v1::identity_service_server::IdentityService as _;
use mint_api::identity::v1::{DeleteIdentityRequest, DisableIdentityRequest};
use mint_api::rotation::v1::rotation_service_server::RotationService as _;
use mint_api::rotation::v1::{AcceptReceiptRequest, RetireRequest};
use mint_coordinator::{Call, RotationCall};
use mint_invariants::{Invariant, Removal, Stage, Violation, no_mass_death, no_plaintext};
use mint_saga::Sealed;
use mint_secret::{Expected, KeyRing, KeyUse, ObjectBody, Purpose, SecretValue, Stamp, Subject, open, seal};
use mint_types::{ApplicationId, Budget, CredentialKind, FencingToken, RotationId, Version, VersionId};
use tonic::Request;

use crate::outside::Moment;
use crate::ports::Network;
use crate::rng::{SimulatedEntropy, derived};
use crate::scene::{Scene, State};
use crate::services::{TOMBSTONE, keys};

/// So much is remembered of an application.
const REMEMBERED: usize = 12;

/// What a coordinator carried once.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    kind: CredentialKind,
    rotation: RotationId,
    is_receipt: bool,
    bytes: Vec<u8>,
}

impl Carried {
    pub(crate) fn receipt(call: &RotationCall, receipt: &Sealed) -> Self {
        Self::of(call, receipt, true)
    }

    pub(crate) fn envelope(call: &RotationCall, envelope: &Sealed) -> Self {
        Self::of(call, envelope, false)
    }

    fn of(call: &RotationCall, sealed: &Sealed, is_receipt: bool) -> Self {
        Self { kind: call.kind, rotation: call.rotation, is_receipt, bytes: sealed.as_bytes().to_vec() }
    }
}

/// The thief tries it on one in so many: opening takes as long as everything else about a delivery.
const TRIED: u64 = 8;

/// A sealing key that the distributor retired, and that somebody stole.
pub(crate) fn stolen_key(seed: u64) -> KeyRing {
    keys(&[KeyUse::DistributorSeal], derived(seed, 9))
}

impl Scene {
    /// Whoever stole a retired key tries it on what is carried (I4).
    pub(crate) fn try_stolen_key(&self, call: &RotationCall, envelope: &Sealed) {
        let application = &call.call.application;
        let envelopes = {
            let mut state = self.locked();
            state.envelopes += 1;
            state.envelopes
        };
        if !envelopes.is_multiple_of(TRIED) {
            return;
        }
        let expected = Expected { purpose: Purpose::Delivery, application, rotation: None };
        let Ok(stolen) = self.stolen.seal_keys(KeyUse::DistributorSeal) else { return };
        let Ok((_, read)) = open(stolen, &self.rotator_verifiers, envelope.as_bytes(), expected) else {
            return;
        };
        let place = format!("what a retired key opens of {application}");
        self.locked().judge(no_plaintext(&place, &read, &[&read]));
    }
}

impl State {
    pub(crate) fn carry(&mut self, application: &ApplicationId, carried: Carried) {
        let known = self.carried.entry(application.to_string()).or_default();
        if known
            .last()
            .is_some_and(|last| last.is_receipt == carried.is_receipt && last.bytes == carried.bytes)
        {
            return;
        }
        if known.len() >= REMEMBERED {
            known.remove(0);
        }
        known.push(carried);
    }

    /// A rotation is complete: the ended version was seen dead.
    pub(crate) fn completes(&mut self, application: &ApplicationId, rotation: RotationId) {
        if self.completed.insert(rotation) {
            self.tally.rotations += 1;
            self.log_in_as(application.as_str(), Moment::Complete);
        }
    }

    /// An honest issuer is said to lie.
    pub(crate) fn accused(&mut self, call: &RotationCall) {
        let detail = format!("{} was seen alive after its grace, and the issuer never lies here", call.kind);
        self.violated(Violation::of(Invariant::NothingLost, &call.call.application, detail));
    }

    /// A user is gone: it must have been disabled for as long as it had to be restorable.
    pub(crate) fn deleted(&mut self, id: &ApplicationId, was_enabled: bool) {
        let now = self.time.now();
        let taken = self.issuer.takings.iter().rev().find(|taking| taking.application == *id);
        let removal = Removal {
            application: id.clone(),
            from: if was_enabled { Stage::Enabled } else { Stage::Disabled },
            to: Stage::Deleted,
            after: taken.map_or(self.time.elapsed(), |taking| now.since(taking.at)),
            tombstone: TOMBSTONE,
        };
        let fleet = u64::try_from(self.catalog.records.len()).unwrap_or(0);
        self.judge(no_mass_death(Budget::default(), fleet, &[], &[removal]));
    }
}

/// What it tries.
const TRICKS: u64 = 7;

/// One try, on some application.
pub(crate) async fn trick(network: &Arc<Network>, forger: &KeyRing, entropy: &SimulatedEntropy) {
    let Some((call, old, chosen)) = choose(network) else { return };
    network.scene.locked().hostile = true;
    match chosen {
        0 | 1 => replay_envelope(network, &call, old).await,
        2 => forge_envelope(network, &call, old, forger, entropy).await,
        3 => replay_receipt(network, &call, old).await,
        4 => retire_now(network, &call, old).await,
        5 => disable(network, &call).await,
        _ => delete(network, &call).await,
    }
    network.scene.locked().hostile = false;
}

/// A call under a token that a lease could have, and something that was carried for its application.
fn choose(network: &Network) -> Option<(Call, Vec<Carried>, u64)> {
    let mut state = network.scene.locked();
    let names: Vec<String> = state.carried.keys().cloned().collect();
    let index = state.rng.index(names.len());
    let name = names.get(index)?;
    let old = state.carried.get(name).cloned()?;
    let chosen = state.rng.below(TRICKS);
    let token = u64::try_from(state.time.now().unix_millis()).ok()?;
    let application: ApplicationId = name.parse().ok()?;
    state.trace(|| format!("hostile call {chosen} on {application}"));
    state.count_hostile();
    let revision = state.catalog.revision;
    Some((Call { application, token: FencingToken(token), revision }, old, chosen))
}

fn some(network: &Network, old: &[Carried], is_receipt: bool) -> Option<Carried> {
    let fitting: Vec<&Carried> = old.iter().filter(|carried| carried.is_receipt == is_receipt).collect();
    let index = network.scene.locked().rng.index(fitting.len());
    fitting.get(index).map(|carried| (*carried).clone())
}

async fn deliver(network: &Arc<Network>, call: &Call, rotation: RotationId, envelope: Vec<u8>) {
    let message = DeliverRequest {
        application_id: call.application.to_string(),
        rotation_id: rotation.to_string(),
        catalog_revision: call.revision.0,
        fencing_token: call.token.0,
        envelope,
        replaces: false,
    };
    let handle =
        network.distributors.serve(&network.scene, call, &move |service: Arc<mint_distributor::Rpc>| {
            let message = message.clone();
            async move { service.deliver(Request::new(message)).await }
        });
    if let Some(handle) = handle {
        let _refused_or_not = handle.await;
    }
}

async fn replay_envelope(network: &Arc<Network>, call: &Call, old: Vec<Carried>) {
    if let Some(carried) = some(network, &old, false) {
        deliver(network, call, carried.rotation, carried.bytes).await;
    }
}

/// Sealed to the distributor, as anybody can; signed by nobody whom it knows.
async fn forge_envelope(
    network: &Arc<Network>,
    call: &Call,
    old: Vec<Carried>,
    forger: &KeyRing,
    entropy: &SimulatedEntropy,
) {
    let Some(carried) = some(network, &old, false) else { return };
    let Some(envelope) = forged(network, call, &carried, forger, entropy) else { return };
    deliver(network, call, carried.rotation, envelope).await;
}

fn forged(
    network: &Network,
    call: &Call,
    carried: &Carried,
    forger: &KeyRing,
    entropy: &SimulatedEntropy,
) -> Option<Vec<u8>> {
    let version_id = VersionId::random(entropy);
    let stamp = Stamp { version_id, issued_at: network.scene.time.now() };
    let secret = SecretValue::new("forged".to_owned());
    let body = match carried.kind {
        CredentialKind::Password => ObjectBody::user("forged", &secret, stamp),
        CredentialKind::Client => ObjectBody::client("forged", Some(&secret), stamp),
        CredentialKind::PublicClient => ObjectBody::client("forged", None, stamp),
        CredentialKind::Combined => ObjectBody::combined("forged", &secret, "forged", &secret, stamp),
    };
    let version = Version(u64::try_from(network.scene.time.now().unix_millis()).ok()? + 1);
    let subject = Subject {
        purpose: Purpose::Delivery,
        application: call.application.clone(),
        kind: carried.kind,
        version,
        version_id,
        rotation: carried.rotation,
    };
    let recipient = network.scene.distributor_keys.seal_public(KeyUse::DistributorSeal).ok()?;
    seal(&recipient, forger.signing(KeyUse::RotatorSign).ok()?, subject, body.ok()?.expose(), entropy).ok()
}

/// An old receipt for the newest rotation.
async fn replay_receipt(network: &Arc<Network>, call: &Call, old: Vec<Carried>) {
    let Some(receipt) = some(network, &old, true) else { return };
    let Some(newest) = old.iter().rfind(|carried| carried.kind == receipt.kind) else { return };
    let message = AcceptReceiptRequest {
        application_id: call.application.to_string(),
        kind: kind_to_wire(newest.kind).into(),
        rotation_id: newest.rotation.to_string(),
        fencing_token: call.token.0,
        receipt: receipt.bytes,
    };
    let handle =
        network.rotators.serve(&network.scene, call, &move |service: Arc<mint_rotator::rpc::Rpc>| {
            let message = message.clone();
            async move { service.accept_receipt(Request::new(message)).await }
        });
    if let Some(handle) = handle {
        let _refused_or_not = handle.await;
    }
}

async fn retire_now(network: &Arc<Network>, call: &Call, old: Vec<Carried>) {
    let Some(newest) = old.last() else { return };
    let message = RetireRequest {
        application_id: call.application.to_string(),
        kind: kind_to_wire(newest.kind).into(),
        rotation_id: newest.rotation.to_string(),
        fencing_token: call.token.0,
    };
    let handle =
        network.rotators.serve(&network.scene, call, &move |service: Arc<mint_rotator::rpc::Rpc>| {
            let message = message.clone();
            async move { service.retire(Request::new(message)).await }
        });
    if let Some(handle) = handle {
        let _refused_or_not = handle.await;
    }
}

type Provisioner = mint_identity_provisioner::rpc::Rpc;

async fn disable(network: &Arc<Network>, call: &Call) {
    let message = DisableIdentityRequest {
        application_id: call.application.to_string(),
        catalog_revision: call.revision.0,
        fencing_token: call.token.0,
    };
    let handle = network.provisioners.serve(&network.scene, call, &move |service: Arc<Provisioner>| {
        let message = message.clone();
        async move { service.disable_identity(Request::new(message)).await }
    });
    if let Some(handle) = handle {
        let _refused_or_not = handle.await;
    }
}

async fn delete(network: &Arc<Network>, call: &Call) {
    let message = DeleteIdentityRequest {
        application_id: call.application.to_string(),
        catalog_revision: call.revision.0,
        fencing_token: call.token.0,
    };
    let handle = network.provisioners.serve(&network.scene, call, &move |service: Arc<Provisioner>| {
        let message = message.clone();
        async move { service.delete_identity(Request::new(message)).await }
    });
    if let Some(handle) = handle {
        let _refused_or_not = handle.await;
    }
}
