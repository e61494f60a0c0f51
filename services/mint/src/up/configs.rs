//! The configuration of each service, as the world's layout and ports say.

use mint_types::{Period, ServiceName};
use toml::{Table, Value};

use super::layout::{DataDirectory, private_directory, write_private};
use super::ports::Ports;
use super::statements;
use super::urls::Urls;
use super::{REGION, TRUST_DOMAIN};
use crate::Error;
use crate::registry_file::{Entry, RegistryFile};

/// Shorter than what `mint up` waits before it kills.
const DRAIN: &str = "2s";
/// Scopes that would make an application a master of others: nobody gets them by entering them in settings.
const RESERVED_SCOPES: [&str; 5] =
    ["mint.admin", "mint.operator", "service_user.admin", "service_user.write", "application.write_all"];
/// The prefix of service users' names at the embedded issuer.
const USERNAME_PREFIX: &str = "stups_";

/// For whom the embedded IAM solution makes its access tokens.
const SESSION_AUDIENCE: &str = "mint-broker";

/// What the command line and the registry file say about the world's tempo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tempo {
    pub(crate) min_overlap: Period,
    pub(crate) lease: Period,
    pub(crate) password_grace: Period,
    pub(crate) tombstone: Period,
}

/// Everything a service's configuration is made of.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) directory: &'a DataDirectory,
    pub(crate) registry: &'a RegistryFile,
    pub(crate) ports: &'a Ports,
    pub(crate) urls: &'a Urls,
    pub(crate) tempo: Tempo,
}

impl Plan<'_> {
    /// Writes every service's file and makes the directories that it names.
    pub(crate) fn write(&self) -> Result<(), Error> {
        for service in super::services() {
            if keeps_state(service) {
                private_directory(&self.directory.state(service))?;
            }
            private_directory(&self.directory.keys(service))?;
            write_private(&self.directory.config(service), self.render(service))?;
        }
        Ok(())
    }

    fn render(&self, service: ServiceName) -> String {
        let mut config = self.of_every_service(service);
        let own = match service {
            ServiceName::RegistrySync => self.registry_sync(),
            ServiceName::IdentityProvisioner => self.identity_provisioner(),
            ServiceName::Rotator => self.rotator(),
            ServiceName::Distributor => self.distributor(),
            ServiceName::Coordinator => self.coordinator(),
            ServiceName::Audit => Table::new(),
            ServiceName::Broker => self.broker(),
        };
        config.extend(own);
        // texts, booleans, lists and tables of them: `Display` writes the document
        let body = config.to_string();
        format!(
            "# Written by `mint up` at every start; change it with MINT_{}__… in the environment.\n{body}",
            { service.as_str().replace('-', "_").to_ascii_uppercase() }
        )
    }

    fn of_every_service(&self, service: ServiceName) -> Table {
        let tls = self.directory.tls(service);
        let database = self.directory.state(service).join("state.db");
        let peers = peers(service).iter().map(|peer| (peer.as_str(), text(self.urls.service(*peer))));
        let mut common = table([
            ("listen", text(format_args!("127.0.0.1:{}", self.ports.of(service)))),
            ("trust_domain", text(TRUST_DOMAIN)),
            ("drain", text(DRAIN)),
            (
                "tls",
                Value::Table(table([
                    ("ca", text(self.directory.ca().display())),
                    ("cert", text(tls.join("cert.pem").display())),
                    ("key", text(tls.join("key.pem").display())),
                ])),
            ),
            ("peers", Value::Table(table(peers))),
        ]);
        if keeps_state(service) {
            let url = text(format_args!("sqlite://{}", database.display()));
            common.insert("state".to_owned(), Value::Table(table([("url", url)])));
        }
        common
    }

    fn registry_sync(&self) -> Table {
        table([
            (
                "source",
                Value::Table(table([
                    ("driver", text("kio")),
                    ("url", text(self.urls.kio())),
                    ("token_file", self.secret(ServiceName::RegistrySync, "kio-token")),
                    ("settings_file", text(super::input::kept(self.directory).display())),
                ])),
            ),
            ("defaults", Value::Table(table([("region", text(REGION)), ("endpoint", text(self.urls.s3()))]))),
            self.statements(),
        ])
    }

    fn identity_provisioner(&self) -> Table {
        let statements = [
            ("keys_file", text(statements::trusted(self.directory).display())),
            ("key_file", text(statements::of_provisioner(self.directory).display())),
        ];
        table([
            (
                "issuer",
                Value::Table(table([
                    ("driver", text("service-user")),
                    ("url", text(self.urls.service_user())),
                    ("token_file", self.secret(ServiceName::IdentityProvisioner, "issuer-token")),
                    ("username_prefix", text(USERNAME_PREFIX)),
                    ("reserved_scopes", Value::Array(RESERVED_SCOPES.map(text).to_vec())),
                ])),
            ),
            ("statements", Value::Table(table(statements))),
            ("budget", Value::Table(table([("tombstone", text(self.tempo.tombstone))]))),
        ])
    }

    fn rotator(&self) -> Table {
        table([
            (
                "issuer",
                Value::Table(table([
                    ("driver", text("service-user")),
                    ("url", text(self.urls.service_user())),
                    ("token_file", self.secret(ServiceName::Rotator, "issuer-token")),
                    ("username_prefix", text(USERNAME_PREFIX)),
                    ("token_url", text(self.urls.token())),
                    ("revocation_url", text(self.urls.revocation())),
                    ("prober_client_file", self.secret(ServiceName::Rotator, "prober.json")),
                    ("grace", text(self.tempo.password_grace)),
                ])),
            ),
            self.keys(ServiceName::Rotator),
            ("rotation", Value::Table(table([("min_overlap", text(self.tempo.min_overlap))]))),
            self.statements(),
        ])
    }

    fn distributor(&self) -> Table {
        table([
            self.keys(ServiceName::Distributor),
            (
                "s3",
                Value::Table(table([
                    ("default_endpoint", text(self.urls.s3())),
                    ("default_region", text(REGION)),
                ])),
            ),
            self.statements(),
        ])
    }

    /// There is one process of each service: a restarted coordinator takes its own leases over at once.
    fn coordinator(&self) -> Table {
        let rotation = [
            ("lease", text(self.tempo.lease)),
            ("min_overlap", text(self.tempo.min_overlap)),
            ("instance", text("mint-up")),
            ("sole_executors", Value::Boolean(true)),
        ];
        table([("rotation", Value::Table(table(rotation)))])
    }

    /// The directory of each application of the registry file is granted to that application, to its certificate and to
    /// the sessions of its service user. The table is of this start: an application that comes later has none.
    fn broker(&self) -> Table {
        let (mut roles, mut grants) = (Table::new(), Vec::new());
        for team in &self.registry.teams {
            let arn = format!("arn:aws:iam::{}:role/mint-tagged-reader", team.account_id);
            let role = table([("arn", text(arn)), ("tag_key", text("mint_application"))]);
            roles.insert(team.id.to_string(), Value::Table(role));
        }
        let known = |entry: &&Entry| self.registry.account_of(&entry.team_id).is_some();
        for entry in self.registry.applications.iter().filter(known) {
            let certificate = format!("spiffe://{TRUST_DOMAIN}/application/{}", entry.id);
            let user = format!("{USERNAME_PREFIX}{}", entry.id);
            for (kind, subject) in [("spiffe", certificate), ("subject", user)] {
                let row = [(kind, text(subject)), ("role", text(&entry.team_id)), ("value", text(&entry.id))];
                grants.push(Value::Table(table(row)));
            }
        }
        let http = [
            ("listen", text(format_args!("127.0.0.1:{}", self.ports.broker_http()))),
            ("issuer", text(self.urls.broker_http())),
        ];
        let session = [
            ("issuer", text(self.urls.sessions())),
            ("audience", text(SESSION_AUDIENCE)),
            ("jwks_url", text(self.urls.session_keys())),
        ];
        let signing = [
            ("directory", text(self.directory.keys(ServiceName::Broker).display())),
            ("generate", Value::Boolean(true)),
        ];
        table([
            ("http", Value::Table(table(http))),
            ("session", Value::Table(table(session))),
            ("signing", Value::Table(table(signing))),
            ("sts", Value::Table(table([("endpoint", text(self.urls.sts()))]))),
            ("roles", Value::Table(roles)),
            ("grants", Value::Array(grants)),
        ])
    }

    fn keys(&self, service: ServiceName) -> (&'static str, Value) {
        let keys =
            [("directory", text(self.directory.keys(service).display())), ("generate", Value::Boolean(true))];
        ("keys", Value::Table(table(keys)))
    }

    fn statements(&self) -> (&'static str, Value) {
        let file = text(statements::trusted(self.directory).display());
        ("statements", Value::Table(table([("keys_file", file)])))
    }

    fn secret(&self, service: ServiceName, file: &str) -> Value {
        text(self.directory.secret(service, file).display())
    }
}

/// The broker keeps none.
fn keeps_state(service: ServiceName) -> bool {
    service != ServiceName::Broker
}

/// The edges of the call graph that start at a service.
fn peers(service: ServiceName) -> &'static [ServiceName] {
    use ServiceName::{Audit, Distributor, IdentityProvisioner, RegistrySync, Rotator};
    match service {
        Audit => &[],
        RegistrySync | ServiceName::Broker => &[Audit],
        IdentityProvisioner => &[Audit, RegistrySync],
        Rotator => &[Audit, RegistrySync, Distributor],
        Distributor => &[Audit, RegistrySync, Rotator],
        ServiceName::Coordinator => &[Audit, RegistrySync, IdentityProvisioner, Rotator, Distributor],
    }
}

fn table<'a>(rows: impl IntoIterator<Item = (&'a str, Value)>) -> Table {
    rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn text(value: impl std::fmt::Display) -> Value {
    Value::String(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(service: ServiceName) -> String {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(parent.path()).unwrap();
        let ports = Ports::from_first(7000);
        let urls = Urls::new(&ports);
        let tempo = Tempo {
            min_overlap: Period::from_seconds(5),
            lease: Period::from_seconds(20),
            password_grace: Period::from_seconds(10),
            tombstone: Period::from_seconds(60),
        };
        let text = "{teams: [{id: stups, account_id: '111111111111'}], applications: [{id: kio, team_id: stups, name: K}]}";
        let registry = RegistryFile::parse(text, std::path::Path::new("registry.yaml")).unwrap();
        let text = Plan { directory: &directory, registry: &registry, ports: &ports, urls: &urls, tempo }
            .render(service);
        text.replace(directory.root().to_str().unwrap(), "/data")
    }

    #[test]
    fn the_rotators_configuration_names_everything_it_needs() {
        assert_eq!(
            rendered(ServiceName::Rotator),
            r#"# Written by `mint up` at every start; change it with MINT_ROTATOR__… in the environment.
drain = "2s"
listen = "127.0.0.1:7004"
trust_domain = "mint.local"

[issuer]
driver = "service-user"
grace = "10s"
prober_client_file = "/data/run/secrets/rotator/prober.json"
revocation_url = "http://127.0.0.1:7000/oauth2/revoke"
token_file = "/data/run/secrets/rotator/issuer-token"
token_url = "http://127.0.0.1:7000/oauth2/token"
url = "http://127.0.0.1:7000/service-user"
username_prefix = "stups_"

[keys]
directory = "/data/run/keys/rotator"
generate = true

[peers]
audit = "https://127.0.0.1:7007"
distributor = "https://127.0.0.1:7005"
registry-sync = "https://127.0.0.1:7002"

[rotation]
min_overlap = "5s"

[state]
url = "sqlite:///data/state/rotator/state.db"

[statements]
keys_file = "/data/run/statement-keys.json"

[tls]
ca = "/data/pki/ca.pem"
cert = "/data/run/tls/rotator/cert.pem"
key = "/data/run/tls/rotator/key.pem"
"#
        );
    }

    #[test]
    fn whoever_verifies_statements_knows_the_keys_and_only_the_provisioner_has_one_to_sign_with() {
        use ServiceName::{Audit, Coordinator, Distributor, IdentityProvisioner, RegistrySync, Rotator};
        for service in [RegistrySync, IdentityProvisioner, Rotator, Distributor] {
            assert!(rendered(service).contains("keys_file = \"/data/run/statement-keys.json\""), "{service}");
        }
        for service in [RegistrySync, Rotator, Distributor, Audit, Coordinator] {
            assert!(!rendered(service).contains("key_file"), "{service}");
        }
        assert!(
            rendered(IdentityProvisioner).contains("key_file = \"/data/run/secrets/identity-provisioner/")
        );
        assert!(!rendered(Audit).contains("statements") && !rendered(Coordinator).contains("statements"));
    }

    #[test]
    fn the_broker_grants_each_application_its_own_directory_and_has_no_state_and_no_power_at_aws() {
        assert_eq!(
            rendered(ServiceName::Broker),
            r#"# Written by `mint up` at every start; change it with MINT_BROKER__… in the environment.
drain = "2s"
listen = "127.0.0.1:7008"
trust_domain = "mint.local"

[[grants]]
role = "stups"
spiffe = "spiffe://mint.local/application/kio"
value = "kio"

[[grants]]
role = "stups"
subject = "stups_kio"
value = "kio"

[http]
issuer = "http://127.0.0.1:7009"
listen = "127.0.0.1:7009"

[peers]
audit = "https://127.0.0.1:7007"

[roles.stups]
arn = "arn:aws:iam::111111111111:role/mint-tagged-reader"
tag_key = "mint_application"

[session]
audience = "mint-broker"
issuer = "http://127.0.0.1:7000"
jwks_url = "http://127.0.0.1:7000/oauth2/jwks"

[signing]
directory = "/data/run/keys/broker"
generate = true

[sts]
endpoint = "http://127.0.0.1:7000/sts"

[tls]
ca = "/data/pki/ca.pem"
cert = "/data/run/tls/broker/cert.pem"
key = "/data/run/tls/broker/key.pem"
"#
        );
    }

    #[test]
    fn nobody_is_told_of_a_peer_that_is_not_in_its_call_graph() {
        assert!(rendered(ServiceName::Audit).contains("[peers]\n\n"));
        assert!(!rendered(ServiceName::Distributor).contains("identity-provisioner"));
        assert!(rendered(ServiceName::Coordinator).contains("lease = \"20s\""));
        assert!(rendered(ServiceName::IdentityProvisioner).contains("[budget]\ntombstone = \"1m\""));
        assert!(rendered(ServiceName::IdentityProvisioner).contains("reserved_scopes = [\"mint.admin\", "));
        assert!(rendered(ServiceName::RegistrySync).contains("endpoint = \"http://127.0.0.1:7001\""));
    }
}
