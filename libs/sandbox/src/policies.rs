//! The roles of this world: whom they trust, and what the very files of `services/*/permissions/aws.json` grant them.

use std::collections::{BTreeMap, BTreeSet};

use mint_permissions::{Policy, fill};
use mint_types::ServiceName;
use serde_json::json;

use crate::world::{Application, ExistingBucket, World};

/// Mint's own account.
pub(crate) const MINT_ACCOUNT: &str = "000000000000";

/// What a web identity token must be made for.
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";

/// The session tag that the broker's reader role looks at.
pub(crate) const TAG_KEY: &str = "mint_application";

const READER_TRUST: &str = include_str!("../../../services/broker/permissions/reader-trust.json");
const READER_POLICY: &str = include_str!("../../../services/broker/permissions/reader-policy.json");

const BERRY: &str = include_str!("../../../services/berry/permissions/aws.json");

const REGISTRY_SYNC: &str = include_str!("../../../services/registry-sync/permissions/aws.json");
const IDENTITY_PROVISIONER: &str =
    include_str!("../../../services/identity-provisioner/permissions/aws.json");
const ROTATOR: &str = include_str!("../../../services/rotator/permissions/aws.json");
const DISTRIBUTOR: &str = include_str!("../../../services/distributor/permissions/aws.json");
const COORDINATOR: &str = include_str!("../../../services/coordinator/permissions/aws.json");
const AUDIT: &str = include_str!("../../../services/audit/permissions/aws.json");
const BROKER: &str = include_str!("../../../services/broker/permissions/aws.json");

/// What the role of a service may do at AWS, as its own directory says it.
fn aws_json(service: ServiceName) -> &'static str {
    match service {
        ServiceName::RegistrySync => REGISTRY_SYNC,
        ServiceName::IdentityProvisioner => IDENTITY_PROVISIONER,
        ServiceName::Rotator => ROTATOR,
        ServiceName::Distributor => DISTRIBUTOR,
        ServiceName::Coordinator => COORDINATOR,
        ServiceName::Audit => AUDIT,
        ServiceName::Broker => BROKER,
    }
}

/// A role, its trust and its policies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Role {
    pub(crate) account: String,
    pub(crate) name: String,
    /// Who may assume it.
    pub(crate) trusted: Trusted,
    pub(crate) policies: Vec<Policy>,
}

/// Whom a role trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// The one platform token of this subject.
    Subject(String),
    /// Whomever the broker gives the session tag.
    Tagged,
}

impl Role {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.name)
    }

    /// The trust policy. `broker` is none where the world has none: then a tagged role trusts nobody.
    pub(crate) fn trust(
        &self,
        platform: &str,
        broker: Option<&str>,
    ) -> Result<Policy, mint_permissions::Error> {
        match (&self.trusted, broker) {
            (Trusted::Subject(subject), _) => self.trust_subject(platform, subject),
            (Trusted::Tagged, Some(broker)) => {
                let document = READER_TRUST
                    .replace("<account>", &self.account)
                    .replace("<provider>", broker)
                    .replace("<tag-key>", TAG_KEY);
                Policy::trust(&document)
            }
            (Trusted::Tagged, None) => Policy::trust(r#"{"Version": "2012-10-17", "Statement": []}"#),
        }
    }

    /// This provider, this audience, this one subject.
    fn trust_subject(&self, provider: &str, subject: &str) -> Result<Policy, mint_permissions::Error> {
        let document = json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "PlatformToken",
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn(&self.account, provider)},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{provider}:aud"): AUDIENCE,
                format!("{provider}:sub"): subject,
            }},
        }]});
        Policy::trust(&document.to_string())
    }
}

/// An OIDC provider as IAM names it; `provider` is the issuer without its scheme.
pub(crate) fn provider_arn(account: &str, provider: &str) -> String {
    format!("arn:aws:iam::{account}:oidc-provider/{provider}")
}

pub(crate) fn service_subject(service: ServiceName) -> String {
    format!("system:serviceaccount:mint:{service}")
}

pub(crate) fn application_subject(application: &str) -> String {
    format!("system:serviceaccount:applications:{application}")
}

/// A directory of an application that holds an object: bucket, prefix, application.
pub(crate) type Delivery = (String, String, String);

/// What roles are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estate<'w> {
    pub(crate) world: &'w World,
    pub(crate) buckets: &'w BTreeMap<String, ExistingBucket>,
    /// Where something was delivered. An owner who moves an application to another directory lets its reader in there.
    pub(crate) delivered: &'w BTreeSet<Delivery>,
}

impl Estate<'_> {
    /// The role of this ARN, if the world has it.
    pub(crate) fn role(self, arn: &str) -> Option<Role> {
        let rest = arn.strip_prefix("arn:aws:iam::")?;
        let (account, name) = rest.split_once(":role/")?;
        let name_after_mint = name.strip_prefix("mint-")?;
        if name_after_mint == "tagged-reader" {
            let is_teams = self.world.teams.iter().any(|team| team.account_id == account);
            return is_teams.then(|| self.tagged_reader(account));
        }
        if let Some(id) = name_after_mint.strip_prefix("reader-") {
            let application = self.world.application(id)?;
            return (self.world.account_of(application) == Some(account))
                .then(|| self.reader(application, account));
        }
        // the broker is nobody at AWS
        let service = ServiceName::ALL.into_iter().find(|service| service.as_str() == name_after_mint)?;
        (account == MINT_ACCOUNT).then(|| self.service(service))
    }

    /// A service's policy is filled for every bucket and every prefix that the registry has in it; a bucket that no
    /// application names yet is granted whole.
    fn service(self, service: ServiceName) -> Role {
        let mut policies = Vec::new();
        for bucket in self.buckets.keys() {
            for prefix in self.prefixes(bucket) {
                push_filled(&mut policies, aws_json(service), bucket, &prefix);
            }
        }
        Role {
            account: MINT_ACCOUNT.to_owned(),
            name: format!("mint-{service}"),
            trusted: Trusted::Subject(service_subject(service)),
            policies,
        }
    }

    /// A reader's policy is filled for its own directory in every bucket of its team's account.
    fn reader(self, application: &Application, account: &str) -> Role {
        let mut policies = Vec::new();
        for bucket in self.buckets.values().filter(|bucket| bucket.account_id == account) {
            let registered = bare(application.settings.prefix.as_deref()).to_owned();
            let delivered =
                self.delivered.iter().filter(|(name, _, id)| *name == bucket.name && *id == application.id);
            let prefixes: BTreeSet<String> =
                delivered.map(|(_, prefix, _)| prefix.clone()).chain([registered]).collect();
            for prefix in prefixes {
                let slash = if prefix.is_empty() { "" } else { "/" };
                push_filled(
                    &mut policies,
                    BERRY,
                    &bucket.name,
                    &format!("{prefix}{slash}{}/", application.id),
                );
            }
        }
        Role {
            account: account.to_owned(),
            name: format!("mint-reader-{}", application.id),
            trusted: Trusted::Subject(application_subject(&application.id)),
            policies,
        }
    }

    /// The directory that the session's tag names, in every bucket of the account.
    fn tagged_reader(self, account: &str) -> Role {
        let document = READER_POLICY.replace("<tag-key>", TAG_KEY);
        let mut policies = Vec::new();
        for bucket in self.buckets.values().filter(|bucket| bucket.account_id == account) {
            for prefix in self.prefixes(&bucket.name) {
                push_filled(&mut policies, &document, &bucket.name, &prefix);
            }
        }
        Role {
            account: account.to_owned(),
            name: "mint-tagged-reader".to_owned(),
            trusted: Trusted::Tagged,
            policies,
        }
    }

    fn prefixes(self, bucket: &str) -> BTreeSet<String> {
        let names = |application: &&Application| {
            application.settings.buckets.iter().any(|named| named.name == bucket)
        };
        let registered: BTreeSet<String> = self
            .world
            .applications
            .iter()
            .filter(names)
            .map(|application| bare(application.settings.prefix.as_deref()).to_owned())
            .collect();
        if registered.is_empty() { BTreeSet::from([String::new()]) } else { registered }
    }
}

fn bare(prefix: Option<&str>) -> &str {
    prefix.unwrap_or_default().trim_end_matches('/')
}

/// What cannot be filled grants nothing.
fn push_filled(policies: &mut Vec<Policy>, document: &str, bucket: &str, prefix: &str) {
    match fill(document, bucket, prefix) {
        Ok(policy) => policies.push(policy),
        Err(error) => tracing::warn!(bucket, prefix, %error, "no policy for this destination"),
    }
}

/// The policy of a bucket that refuses writes.
pub(crate) fn refusing_writes(bucket: &str) -> Result<Policy, mint_permissions::Error> {
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "RefuseWrites",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject*", "s3:DeleteObject*", "s3:RestoreObject", "s3:ReplicateObject"],
        "Resource": format!("arn:aws:s3:::{bucket}/*"),
    }]});
    Policy::resource(&document.to_string())
}

#[cfg(test)]
mod tests {
    use mint_permissions::{Caller, Context, Request, Verb, Violation, decide, separation, verb};

    use super::*;

    const REGION: &str = "eu-central-1";

    fn role(world: &World, arn: &str) -> Option<Role> {
        let (buckets, delivered) = (world.buckets(REGION), BTreeSet::new());
        Estate { world, buckets: &buckets, delivered: &delivered }.role(arn)
    }

    fn example() -> World {
        World::parse(include_str!("../../../deploy/examples/registry.yaml")).unwrap()
    }

    #[test]
    fn no_role_of_the_example_reads_and_writes_or_changes_permissions() {
        let world = example();
        let services =
            ServiceName::ALL.into_iter().map(|name| format!("arn:aws:iam::{MINT_ACCOUNT}:role/mint-{name}"));
        let readers = world.applications.iter().map(|application| {
            let account = world.account_of(application).unwrap();
            format!("arn:aws:iam::{account}:role/mint-reader-{}", application.id)
        });
        for arn in services.chain(readers) {
            let role = role(&world, &arn).unwrap();
            assert_eq!(separation(&role.policies), Vec::<Violation>::new(), "{arn}");
        }
    }

    #[test]
    fn only_the_distributor_and_readers_have_any_power_at_aws() {
        let world = example();
        for service in ServiceName::ALL {
            let role = role(&world, &format!("arn:aws:iam::{MINT_ACCOUNT}:role/mint-{service}")).unwrap();
            let statements = role.policies.iter().flat_map(Policy::statements).count();
            assert_eq!(statements > 0, service == ServiceName::Distributor, "{service}");
        }
        assert_eq!((verb("s3:PutObject"), verb("s3:GetObject")), (Some(Verb::Write), Some(Verb::Read)));
    }

    #[test]
    fn a_role_exists_in_its_own_account_only() {
        let world = example();
        let application = &world.applications[0];
        let account = world.account_of(application).unwrap();
        let name = format!("mint-reader-{}", application.id);
        assert!(role(&world, &format!("arn:aws:iam::{account}:role/{name}")).is_some());
        for arn in [
            format!("arn:aws:iam::{MINT_ACCOUNT}:role/{name}"),
            format!("arn:aws:iam::{account}:role/path/{name}"),
            format!("arn:aws:iam::{account}:role/mint-reader-nobody-at-all"),
            format!("arn:aws:iam::{account}:role/mint-distributor"),
            format!("arn:aws:iam::{MINT_ACCOUNT}:role/distributor"),
            format!("{account}:role/{name}"),
            String::new(),
        ] {
            assert_eq!(role(&world, &arn), None, "{arn}");
        }
    }

    #[test]
    fn an_application_with_the_name_of_anothers_prefix_reads_nothing_of_it() {
        let text = "{teams: [{id: t, account_id: '111111111111'}], applications: [
            {id: live, team_id: t, name: A, settings: {buckets: [one-bucket]}},
            {id: shop, team_id: t, name: B, settings: {buckets: [one-bucket], prefix: live}}]}";
        let role =
            role(&World::parse(text).unwrap(), "arn:aws:iam::111111111111:role/mint-reader-live").unwrap();
        let may_read = |key: &str| {
            let request = Request {
                caller: Caller::role_session(&role.account, &role.name, "test"),
                action: "s3:GetObject".to_owned(),
                resource: format!("arn:aws:s3:::one-bucket/{key}"),
                context: Context::default(),
            };
            decide(&role.policies, &request).is_allow()
        };
        assert!(
            may_read("live/user.json") && may_read("live/client.json") && may_read("live/credentials.json")
        );
        for key in ["live/shop/user.json", "live/shop/client.json", "live2/user.json", "user.json"] {
            assert!(!may_read(key), "{key}");
        }
    }

    #[test]
    fn a_session_with_the_name_of_a_prefix_reads_nothing_of_the_applications_below_it() {
        let text = "{teams: [{id: t, account_id: '111111111111'}], applications: [
            {id: live, team_id: t, name: A, settings: {buckets: [one-bucket]}},
            {id: shop, team_id: t, name: B, settings: {buckets: [one-bucket], prefix: live}}]}";
        let role =
            role(&World::parse(text).unwrap(), "arn:aws:iam::111111111111:role/mint-tagged-reader").unwrap();
        let may_read = |key: &str| {
            let request = Request {
                caller: Caller::role_session(&role.account, &role.name, "test"),
                action: "s3:GetObject".to_owned(),
                resource: format!("arn:aws:s3:::one-bucket/{key}"),
                context: Context::from_iter([(format!("aws:PrincipalTag/{TAG_KEY}"), "live")]),
            };
            decide(&role.policies, &request).is_allow()
        };
        assert!(may_read("live/user.json") && may_read("live/live/user.json"));
        for key in ["live/shop/user.json", "live/shop/client.json", "shop/user.json", "user.json"] {
            assert!(!may_read(key), "{key}");
        }
    }

    /// `mint policy render` for a team of this world, with the paths and policies that it makes.
    #[test]
    fn what_is_rendered_for_an_account_is_what_this_world_enforces() {
        let world = World::parse(
            "{teams: [{id: t, account_id: '111111111111'}], applications: [
            {id: shop, team_id: t, name: A, settings: {buckets: [one-bucket], prefix: live}}]}",
        )
        .unwrap();
        let text = format!(
            "role_path = '/'
            mint = {{account_id = '{MINT_ACCOUNT}', subjects = {{distributor = '{}'}}}}
            platform = {{provider = 'platform.example.org/x'}}
            [[teams]]
            id = 't'
            account_id = '111111111111'
            buckets = [{{name = 'one-bucket', prefix = 'live'}}]
            broker = {{provider = 'broker.example.org'}}
            applications = [{{id = 'shop', subject = '{}'}}]",
            service_subject(ServiceName::Distributor),
            application_subject("shop")
        );
        let files = mint_policy::render(&mint_policy::Config::parse(&text).unwrap()).unwrap();
        let rendered = |path: String| {
            files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path}")).text.clone()
        };
        for (account, directory, name) in [
            (MINT_ACCOUNT, "mint", "mint-distributor"),
            ("111111111111", "teams/t", "mint-reader-shop"),
            ("111111111111", "teams/t", "mint-tagged-reader"),
        ] {
            let role = role(&world, &format!("arn:aws:iam::{account}:role/{name}")).unwrap();
            let permissions =
                Policy::identity(&rendered(format!("{directory}/{name}/permissions.json"))).unwrap();
            assert_eq!(role.policies, [permissions], "{name}");
            let trust = Policy::trust(&rendered(format!("{directory}/{name}/trust.json"))).unwrap();
            let enforced = role.trust("platform.example.org/x", Some("broker.example.org")).unwrap();
            assert_eq!(enforced, trust, "{name}");
        }
    }
}
