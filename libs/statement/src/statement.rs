//! What can be said.

use std::collections::BTreeSet;
use std::time::Duration;

use mint_types::{
    AccountId, ApplicationId, Bucket, BucketName, CredentialKind, Entropy, Prefix, Settings, TeamId,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// No statement holds longer: verifiers remember ids this long.
pub const LONGEST_LIFE: Duration = Duration::from_hours(30 * 24);

/// One statement releases at most so many removals: a day's budget of a fleet of a hundred thousand. A slip of the hand or
/// a stolen pair of keys frees no whole fleet at once.
pub const MOST_ACTS: u32 = 1000;

/// Tells one statement from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatementId(Uuid);

impl StatementId {
    /// A fresh id.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl std::fmt::Display for StatementId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One thing that is said, and when it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Its id: acted upon once.
    pub id: StatementId,
    /// From when it holds.
    pub issued_at: Timestamp,
    /// From when it no longer holds.
    pub expires_at: Timestamp,
    /// What is said.
    pub subject: Subject,
}

impl Statement {
    /// A statement that holds from `now` for `life`.
    pub fn new(subject: Subject, now: Timestamp, life: Duration, entropy: &dyn Entropy) -> Self {
        Self { id: StatementId::random(entropy), issued_at: now, expires_at: now.plus(life), subject }
    }
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "statement", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// Removals that the budget holds may go on. Two operators.
    RegistryRelease {
        /// How many removals beyond the budget.
        acts: u32,
        /// Only of these applications; empty for any. An id that came back after its deletion must be named.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        applications: BTreeSet<ApplicationId>,
    },
    /// The versions before the newest one end at once, without receipt and overlap. Two operators.
    RevokeNow {
        /// Whose.
        application: ApplicationId,
        /// Which credentials; never none.
        kinds: BTreeSet<CredentialKind>,
    },
    /// The application's credentials go to these places, and its logins back to this URL. The owning team, or one operator.
    Destinations(DestinationSet),
    /// identity-provisioner has counted a removal: what it names may be overwritten. The provisioner itself.
    RemovalPermit {
        /// Whose.
        application: ApplicationId,
        /// What.
        removal: Removal,
    },
}

impl Subject {
    /// Refuses what no statement may say, whoever signed it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::RegistryRelease { acts, .. } if !(1..=MOST_ACTS).contains(acts) => {
                Err(Error::Immoderate { acts: *acts })
            }
            Self::RegistryRelease { .. }
            | Self::RevokeNow { .. }
            | Self::Destinations(_)
            | Self::RemovalPermit { .. } => Ok(()),
        }
    }
}

/// Where an application's credentials go: what the distributor pins; and where its logins are sent back to: what
/// identity-provisioner pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationSet {
    /// Whose.
    pub application: ApplicationId,
    /// The team that owns it.
    pub team: TeamId,
    /// The account that owns the buckets; none if it is not checked.
    pub account_id: Option<AccountId>,
    /// The directory above the application's own.
    pub prefix: Prefix,
    /// The buckets.
    pub buckets: BTreeSet<Place>,
    /// Where the issuer sends logins back to; none if the client has no such URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// Which kinds of credentials; statements from before they were named name none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<CredentialKind>,
}

impl DestinationSet {
    /// Where an application's credentials go by these settings, which have the defaults in them.
    pub fn of(application: ApplicationId, team: TeamId, settings: &Settings) -> Self {
        let place = |bucket: &Bucket| Place {
            name: bucket.name.clone(),
            region: bucket.region.clone().unwrap_or_default(),
            endpoint: bucket.endpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
            kms_key_id: bucket.kms_key_id.clone(),
        };
        Self {
            application,
            team,
            account_id: settings.account_id.clone(),
            prefix: settings.prefix.clone(),
            buckets: settings.buckets.iter().map(place).collect(),
            redirect_url: settings.redirect_url.clone(),
            kinds: settings.kinds().iter().copied().collect(),
        }
    }
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its name.
    pub name: BucketName,
    /// Its region.
    pub region: String,
    /// The store's endpoint; empty for AWS's own.
    pub endpoint: String,
    /// The KMS key that objects are encrypted with; none for the bucket's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
}

/// What a permit allows to overwrite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Removal {
    /// Everything of a retired application.
    Application,
    /// What lies where the settings, at this generation or a later one, no longer deliver.
    Destinations {
        /// The generation that the provisioner read.
        settings_generation: u64,
    },
}
