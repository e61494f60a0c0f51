//! Which objects a permit covers, and where each of them is.

use std::collections::HashSet;

use mint_secret::EnvelopeDigest;
use mint_statement::Removal;
use mint_types::{
    AccountId, Bucket, CredentialKind, Destination, Entropy, OutboundUrl, RotationId, Settings, Timestamp,
    Version,
};

use super::{Attempt, Content, Place, Step, plan};

/// An object that was put, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Where.
    pub place: Place,
    /// The kind of the credential that was last put there.
    pub kind: CredentialKind,
    /// The bucket's region, empty for the default, and its owner; none if they were not remembered.
    pub owner: Option<(String, AccountId)>,
    /// The key that it was encrypted with.
    pub kms_key_id: Option<String>,
    /// Since when it is a tombstone, if one was put last.
    pub since: Option<Timestamp>,
    /// The permit under which that was.
    pub permit: Option<String>,
}

/// An object that a permit covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grave {
    /// The object.
    pub object: Object,
    /// Since when it is a tombstone.
    pub since: Timestamp,
    /// What is written.
    pub content: Content,
    /// What to do now.
    pub step: Step,
}

/// What is decided from.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Everything that was ever put.
    pub objects: &'a [Object],
    /// Every attempt that may matter.
    pub attempts: &'a [Attempt],
    /// The permit's id.
    pub permit: &'a str,
    /// Whether it was acted upon before: it covers what it covered then, and nothing that was put since.
    pub is_known: bool,
    /// What it permits.
    pub removal: &'a Removal,
    /// Where the settings put credentials now.
    pub asked: &'a [Place],
    /// Now.
    pub now: Timestamp,
}

/// What a tombstone says (COMPAT section 1).
pub fn tombstone_text(since: Timestamp) -> String {
    format!("{{\"mint_tombstone\": true, \"since\": \"{since}\"}}")
}

impl Content {
    /// A tombstone. It belongs to no version and to no rotation.
    pub fn tombstone(kind: CredentialKind, since: Timestamp) -> Self {
        Self {
            kind,
            version: Version(0),
            rotation: RotationId::random(&Zeros),
            envelope: EnvelopeDigest::of(tombstone_text(since).as_bytes()),
        }
    }
}

/// The id of no rotation.
#[derive(Debug)]
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// The objects that are overwritten, what to do about each, and which attempts will not matter any more.
pub fn graves(scene: &Scene<'_>) -> (Vec<Grave>, Vec<u64>) {
    let covered: Vec<&Object> = scene.objects.iter().filter(|object| is_covered(scene, object)).collect();
    let mut obsolete = HashSet::new();
    let graves = covered.iter().map(|object| {
        // what may be one object is overwritten with the same bytes
        let same = covered.iter().filter(|other| other.place.may_be(&object.place));
        let since = same.filter_map(|other| other.since).max().unwrap_or(scene.now);
        let content = Content::tombstone(object.kind, since);
        let planned = plan(&content, std::slice::from_ref(&object.place), scene.attempts, scene.now);
        obsolete.extend(planned.obsolete);
        let step = planned.steps.first().copied().unwrap_or(Step::Put);
        Grave { object: (*object).clone(), since, content, step }
    });
    let graves = graves.collect();
    let mut obsolete: Vec<u64> = obsolete.into_iter().collect();
    obsolete.sort_unstable();
    (graves, obsolete)
}

fn is_covered(scene: &Scene<'_>, object: &Object) -> bool {
    if scene.is_known && object.permit.as_deref() != Some(scene.permit) {
        return false;
    }
    match scene.removal {
        Removal::Application => true,
        Removal::Destinations { .. } => !scene.asked.iter().any(|place| place.may_be(&object.place)),
    }
}

/// The kinds that no setting asks for any more: their versions are not put again.
pub fn ended_kinds(removal: &Removal, settings: Option<&Settings>) -> Vec<CredentialKind> {
    let asked = match removal {
        Removal::Application => &[][..],
        Removal::Destinations { .. } => settings.map_or(&[][..], Settings::kinds),
    };
    CredentialKind::ALL.into_iter().filter(|kind| !asked.contains(kind)).collect()
}

/// Where an object is: as it was remembered, else as another object in the same bucket, else as the settings say.
pub fn destination_of(
    object: &Object,
    objects: &[Object],
    settings: Option<&Settings>,
    default_store: &str,
) -> Result<Destination, &'static str> {
    let beside = |other: &&Object| {
        other.place.store == object.place.store && other.place.bucket == object.place.bucket
    };
    let remembered = object
        .owner
        .clone()
        .or_else(|| objects.iter().filter(beside).find_map(|other| other.owner.clone()))
        .or_else(|| stated_owner(object, settings, default_store));
    let (region, account_id) = remembered.ok_or("the bucket's owner was not remembered when it was put")?;
    let endpoint = match object.place.store.as_str() {
        store if store == default_store => None,
        "" => return Err("it was put at AWS, and the default endpoint is another one now"),
        store => Some(store.parse::<OutboundUrl>().map_err(|_| "its endpoint is no URL")?),
    };
    let name = object.place.bucket.parse().map_err(|_| "its bucket's name is none")?;
    let region = Some(region).filter(|region| !region.is_empty());
    let kms_key_id = object.kms_key_id.clone();
    Ok(Destination {
        bucket: Bucket { name, region, endpoint, kms_key_id },
        account_id: Some(account_id),
        key: object.place.key.clone(),
    })
}

fn stated_owner(
    object: &Object,
    settings: Option<&Settings>,
    default_store: &str,
) -> Option<(String, AccountId)> {
    let settings = settings?;
    let bucket = settings.buckets.iter().find(|bucket| {
        let store = bucket.endpoint.as_ref().map_or(default_store, OutboundUrl::as_str);
        bucket.name.as_str() == object.place.bucket && store == object.place.store
    })?;
    Some((bucket.region.clone().unwrap_or_default(), settings.account_id.clone()?))
}

#[cfg(test)]
#[path = "tombstones_tests.rs"]
mod tests;
