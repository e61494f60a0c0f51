//! Step 0: what an application's owner decides, and the destinations that follow from it.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ApplicationId, BucketName, CredentialKind, Layout, OutboundUrl, Period, Prefix, Scope,
};

/// A bucket that receives credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Its name.
    pub name: BucketName,
    /// Its region; none for the default.
    pub region: Option<String>,
    /// The store's endpoint; none for AWS's own.
    pub endpoint: Option<OutboundUrl>,
    /// KMS key id or ARN for SSE-KMS; none for the bucket's default encryption.
    pub kms_key_id: Option<String>,
}

/// Settings that contradict themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("settings.{field}: {rule}")]
pub struct InvalidSettings {
    /// The culprit.
    pub field: &'static str,
    /// What it must be.
    pub rule: String,
}

/// An application's settings, checked as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Every bucket gets every object.
    pub buckets: Vec<Bucket>,
    /// The account that owns the buckets.
    pub account_id: Option<AccountId>,
    /// The directory above the application's own.
    pub prefix: Prefix,
    /// Which objects the application finds.
    pub layout: Layout,
    /// OAuth 2.0 scopes.
    pub scopes: Vec<Scope>,
    /// Redirect URL of the OAuth client.
    pub redirect_url: Option<String>,
    /// Whether the client can keep a secret (RFC 6749 section 2.1).
    pub confidential: bool,
    /// How often the password is replaced.
    pub password_period: Period,
    /// How often the client, or the combined object, is replaced.
    pub client_period: Period,
}

/// No credential rotates more often than this: issuers and consumers could not follow.
const SHORTEST_PERIOD_SECONDS: u64 = 10;
/// Longer periods are typing errors: nothing is rotated once in ten years.
const LONGEST_PERIOD_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// A destination is a write per rotation; more than this many is a typing error.
const MOST_BUCKETS: usize = 16;

impl Settings {
    /// Checks what single fields cannot: buckets with an owner, no bucket twice, a redirect URL by https, sane periods.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        let refuse = |field, rule: String| Err(InvalidSettings { field, rule });
        if self.buckets.len() > MOST_BUCKETS {
            return refuse("buckets", format!("at most {MOST_BUCKETS} buckets are allowed"));
        }
        for (index, bucket) in self.buckets.iter().enumerate() {
            if self.buckets[..index].iter().any(|other| other.name == bucket.name) {
                return refuse("buckets", format!("{} is listed twice", bucket.name));
            }
        }
        if !self.buckets.is_empty() && self.account_id.is_none() {
            return refuse(
                "account_id",
                "it is required with a bucket: every write names the bucket's owner".to_owned(),
            );
        }
        if let Some(url) = &self.redirect_url {
            let parsed =
                url::Url::parse(url).ok().filter(|url| url.scheme() == "https" && url.host_str().is_some());
            if parsed.is_none_or(|url| url.fragment().is_some()) {
                return refuse(
                    "redirect_url",
                    format!("{url:?} must be an absolute https URL without a fragment"),
                );
            }
        }
        if self.layout == Layout::Combined && !self.confidential {
            return refuse(
                "layout",
                "combined needs a confidential client: it carries a client secret".to_owned(),
            );
        }
        for (field, period) in
            [("password_period", self.password_period), ("client_period", self.client_period)]
        {
            if !(SHORTEST_PERIOD_SECONDS..=LONGEST_PERIOD_SECONDS).contains(&period.as_seconds()) {
                return refuse(
                    field,
                    format!("{period} is not between {SHORTEST_PERIOD_SECONDS} s and ten years"),
                );
            }
        }
        Ok(())
    }

    /// The kinds of credentials that follow from layout and client type.
    pub fn kinds(&self) -> &'static [CredentialKind] {
        CredentialKind::of(self.layout, self.confidential)
    }

    /// How often a kind is replaced.
    pub fn period(&self, kind: CredentialKind) -> Period {
        match kind {
            CredentialKind::Password => self.password_period,
            CredentialKind::Client | CredentialKind::Combined | CredentialKind::PublicClient => {
                self.client_period
            }
        }
    }

    /// Where an application's credential of a kind goes: one destination per bucket.
    pub fn destinations(&self, application: &ApplicationId, kind: CredentialKind) -> Vec<Destination> {
        self.buckets
            .iter()
            .map(|bucket| Destination {
                bucket: bucket.clone(),
                account_id: self.account_id.clone(),
                key: format!("{}{}/{}", self.prefix.directory(), application, kind.object_name()),
            })
            .collect()
    }
}

/// One object to write: a bucket and a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The bucket.
    pub bucket: Bucket,
    /// The account that must own it.
    pub account_id: Option<AccountId>,
    /// `[<prefix>/]<application>/<object name>`.
    pub key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            buckets: vec![Bucket {
                name: "team-a".parse().unwrap(),
                region: None,
                endpoint: None,
                kms_key_id: None,
            }],
            account_id: Some("123456789012".parse().unwrap()),
            prefix: "mint".parse().unwrap(),
            layout: Layout::Split,
            scopes: vec![],
            redirect_url: Some("https://app.example.org/cb".to_owned()),
            confidential: true,
            password_period: "2h".parse().unwrap(),
            client_period: "30d".parse().unwrap(),
        }
    }

    #[test]
    fn a_destination_lies_below_the_applications_own_directory() {
        let app = "kio".parse().unwrap();
        let keys: Vec<_> =
            settings().destinations(&app, CredentialKind::Password).into_iter().map(|d| d.key).collect();
        assert_eq!(keys, ["mint/kio/user.json"]);
        let bare = Settings { prefix: Prefix::default(), ..settings() };
        assert_eq!(bare.destinations(&app, CredentialKind::Client)[0].key, "kio/client.json");
    }

    #[test]
    fn contradictions_are_refused_by_field() {
        assert_eq!(settings().check(), Ok(()));
        let field = |settings: Settings| settings.check().unwrap_err().field;
        assert_eq!(field(Settings { account_id: None, ..settings() }), "account_id");
        assert_eq!(
            field(Settings { redirect_url: Some("http://a.example".into()), ..settings() }),
            "redirect_url"
        );
        assert_eq!(field(Settings { layout: Layout::Combined, confidential: false, ..settings() }), "layout");
        assert_eq!(
            field(Settings { password_period: "1s".parse().unwrap(), ..settings() }),
            "password_period"
        );
        let twice = settings().buckets[0].clone();
        assert_eq!(field(Settings { buckets: vec![twice.clone(), twice], ..settings() }), "buckets");
    }
}
