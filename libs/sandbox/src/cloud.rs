//! The AWS of this world: who is who, which bucket is whose, and the parts that answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::Ground;
use crate::federation::Federation;
use crate::platform::Platform;
use crate::policies::{Delivery, Estate, Role};
use crate::private_file;
use crate::s3::Objects;
use crate::sts::Sessions;
use crate::world::{ExistingBucket, World};

/// What STS, S3 and the platform share.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) ground: Ground,
    pub(crate) platform: Platform,
    pub(crate) federation: Option<Federation>,
    pub(crate) sessions: Sessions,
    pub(crate) objects: Objects,
    changing: Mutex<Changing>,
    adopted_file: PathBuf,
}

/// What changes while the world runs.
#[derive(Debug, Default)]
struct Changing {
    delivered: BTreeSet<Delivery>,
    adopted: BTreeMap<String, Adopted>,
    /// Roles as they were made for `made_for`; parsing some hundred policies for each call would be slow.
    roles: HashMap<String, Option<Arc<Role>>>,
    buckets: BTreeMap<String, ExistingBucket>,
    made_for: Option<Arc<World>>,
}

/// A bucket that came to be with its first write.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Adopted {
    region: String,
    account_id: String,
}

impl Cloud {
    /// Loads keys and objects, and writes every platform token once.
    pub(crate) fn open(ground: &Ground) -> io::Result<Arc<Self>> {
        let kept = ground.directory.join("sandbox");
        let objects = Objects::open(&kept)?;
        let adopted_file = kept.join("s3-buckets.json");
        let delivered =
            objects.directories()?.into_iter().filter_map(|(bucket, path)| delivery(&bucket, &path));
        let changing = Changing {
            delivered: delivered.collect(),
            adopted: read_adopted(&adopted_file)?,
            ..Changing::default()
        };
        let cloud = Self {
            platform: Platform::open(ground)?,
            federation: ground.broker_issuer.as_ref().map(Federation::new),
            sessions: Sessions::open(&kept, &*ground.entropy)?,
            objects,
            changing: Mutex::new(changing),
            adopted_file,
            ground: ground.clone(),
        };
        cloud.platform.renew(&cloud.ground.world_now())?;
        Ok(Arc::new(cloud))
    }

    /// The role of this ARN as the world is now.
    pub(crate) fn role(&self, arn: &str) -> Option<Arc<Role>> {
        let mut changing = self.current();
        if let Some(known) = changing.roles.get(arn) {
            return known.clone();
        }
        let world = changing.made_for.clone()?;
        let estate = Estate { world: &world, buckets: &changing.buckets, delivered: &changing.delivered };
        let role = estate.role(arn).map(Arc::new);
        changing.roles.insert(arn.to_owned(), role.clone());
        role
    }

    pub(crate) fn bucket(&self, name: &str) -> Option<ExistingBucket> {
        self.current().buckets.get(name).cloned()
    }

    /// A bucket that nobody knows comes to be when a write names its owner and the owner is a team's account.
    ///
    /// People give an application a new bucket while this world runs, and there is no console to make one in.
    pub(crate) fn adopt(&self, name: &str, region: &str, owner: &str) -> io::Result<Option<ExistingBucket>> {
        let world = self.ground.world_now();
        if !world.teams.iter().any(|team| team.account_id == owner) {
            return Ok(None);
        }
        let mut changing = self.current();
        let adopted = Adopted { region: region.to_owned(), account_id: owner.to_owned() };
        changing.adopted.entry(name.to_owned()).or_insert(adopted);
        let text = serde_json::to_vec(&changing.adopted).map_err(io::Error::other)?;
        private_file::write(&self.adopted_file, &text)?;
        changing.made_for = None;
        drop(changing);
        Ok(self.bucket(name))
    }

    /// Remembers where an application's object was written.
    pub(crate) fn delivered(&self, bucket: &str, key: &str) {
        let Some(delivery) = key.rsplit_once('/').and_then(|(directory, _)| delivery(bucket, directory))
        else {
            return;
        };
        let mut changing = self.current();
        if changing.delivered.insert(delivery) {
            changing.roles.clear();
        }
    }

    /// The application whose directory the key lies in.
    pub(crate) fn application_of(&self, key: &str) -> Option<String> {
        let world = self.ground.world_now();
        let (directory, _) = key.rsplit_once('/')?;
        directory.rsplit('/').find(|segment| world.application(segment).is_some()).map(str::to_owned)
    }

    /// Everything derived is thrown away when the world has changed.
    fn current(&self) -> std::sync::MutexGuard<'_, Changing> {
        let world = self.ground.world_now();
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !changing.made_for.as_ref().is_some_and(|made_for| Arc::ptr_eq(made_for, &world)) {
            changing.buckets = all_buckets(&world, &self.ground.default_region, &changing.adopted);
            changing.roles.clear();
            changing.made_for = Some(world);
        }
        changing
    }
}

fn all_buckets(
    world: &World,
    default_region: &str,
    adopted: &BTreeMap<String, Adopted>,
) -> BTreeMap<String, ExistingBucket> {
    let mut buckets = world.buckets(default_region);
    for (name, Adopted { region, account_id }) in adopted {
        buckets.entry(name.clone()).or_insert_with(|| ExistingBucket {
            name: name.clone(),
            region: region.clone(),
            account_id: account_id.clone(),
            refuses_writes: world.rules.refuse_writes.contains(name),
        });
    }
    buckets
}

/// `mint/kio` in a bucket is the application `kio` below the prefix `mint`.
fn delivery(bucket: &str, directory: &str) -> Option<Delivery> {
    let (prefix, application) = directory.rsplit_once('/').unwrap_or(("", directory));
    (!application.is_empty()).then(|| (bucket.to_owned(), prefix.to_owned(), application.to_owned()))
}

fn read_adopted(file: &Path) -> io::Result<BTreeMap<String, Adopted>> {
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}
