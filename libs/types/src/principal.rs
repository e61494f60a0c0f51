//! Who speaks: principals and their SPIFFE ids.

use std::fmt;
use std::str::FromStr;

use crate::{ApplicationId, TeamId, TrustDomain};

/// The services of the constellation, by their directory below `services/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// Reads the application registry, keeps the catalog.
    RegistrySync,
    /// Makes users and clients exist at the IAM solution.
    IdentityProvisioner,
    /// Makes the issuer produce, test, retire credentials.
    Rotator,
    /// Writes below the applications' directories.
    Distributor,
    /// Decides what happens next.
    Coordinator,
    /// Keeps the log.
    Audit,
    /// Signs identity tokens for readers.
    Broker,
}

impl ServiceName {
    /// The services of the constellation that rotates: what `mint up` runs. The broker stands beside them, where
    /// applications read; it keeps no state and has no role at AWS, so what is true of each of these is not of it.
    pub const ALL: [Self; 6] = [
        Self::RegistrySync,
        Self::IdentityProvisioner,
        Self::Rotator,
        Self::Distributor,
        Self::Coordinator,
        Self::Audit,
    ];

    /// The directory name, which is also the name in SPIFFE ids and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegistrySync => "registry-sync",
            Self::IdentityProvisioner => "identity-provisioner",
            Self::Rotator => "rotator",
            Self::Distributor => "distributor",
            Self::Coordinator => "coordinator",
            Self::Audit => "audit",
            Self::Broker => "broker",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ServiceName {
    type Err = InvalidSpiffeId;
    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        Self::ALL
            .into_iter()
            .chain([Self::Broker])
            .find(|service| service.as_str() == text)
            .ok_or_else(|| InvalidSpiffeId { id: text.to_owned(), rule: "it names no service of Mint" })
    }
}

/// Who a certificate of the trust domain stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A service of the constellation.
    Service(ServiceName),
    /// A person or machine that operates Mint.
    Operator(String),
    /// A member of a team that owns applications.
    Team {
        /// The team.
        team: TeamId,
        /// The member.
        member: String,
    },
    /// An application, as itself.
    Application(ApplicationId),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "service/{service}"),
            Self::Operator(name) => write!(f, "operator/{name}"),
            Self::Team { team, member } => write!(f, "team/{team}/{member}"),
            Self::Application(application) => write!(f, "application/{application}"),
        }
    }
}

/// A text that is no SPIFFE id of Mint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id:?} is not a SPIFFE id of Mint: {rule}")]
pub struct InvalidSpiffeId {
    /// The refused text.
    pub id: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// `spiffe://<trust domain>/<principal>` (SPIFFE-ID).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    /// The trust domain that vouches for it.
    pub trust_domain: TrustDomain,
    /// Who it is.
    pub principal: Principal,
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}", self.trust_domain, self.principal)
    }
}

fn is_person(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && text != "."
        && text != ".."
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;
    fn from_str(id: &str) -> Result<Self, InvalidSpiffeId> {
        let refuse = |rule| InvalidSpiffeId { id: id.chars().take(256).collect(), rule };
        let rest = id.strip_prefix("spiffe://").ok_or_else(|| refuse("it must start with spiffe://"))?;
        let (domain, path) = rest.split_once('/').ok_or_else(|| refuse("it has no path"))?;
        let trust_domain = domain.parse().map_err(|_| refuse("its trust domain is malformed"))?;
        let parts: Vec<&str> = path.split('/').collect();
        let principal = match parts.as_slice() {
            ["service", name] => {
                Principal::Service(name.parse().map_err(|_| refuse("it names no service of Mint"))?)
            }
            ["operator", name] if is_person(name) => Principal::Operator((*name).to_owned()),
            ["team", team, member] if is_person(member) => Principal::Team {
                team: team.parse().map_err(|_| refuse("its team id is malformed"))?,
                member: (*member).to_owned(),
            },
            ["application", application] => Principal::Application(
                application.parse().map_err(|_| refuse("its application id is malformed"))?,
            ),
            _ => {
                return Err(refuse("its path is none of service/, operator/, team/, application/"));
            }
        };
        Ok(Self { trust_domain, principal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_principal_survives_its_text() {
        for text in [
            "spiffe://mint.local/service/registry-sync",
            "spiffe://mint.local/service/broker",
            "spiffe://mint.local/operator/second",
            "spiffe://mint.local/team/stups/member",
            "spiffe://mint.local/application/kio",
        ] {
            assert_eq!(text.parse::<SpiffeId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_exactly_a_principal_is_refused() {
        for text in [
            "",
            "https://mint.local/service/audit",
            "spiffe://mint.local",
            "spiffe://mint.local/",
            "spiffe://mint.local/service/audit/",
            "spiffe://mint.local/service/nobody",
            "spiffe://mint.local/operator/",
            "spiffe://mint.local/operator/a/b",
            "spiffe://mint.local/team/stups",
            "spiffe://Mint.Local/service/audit",
            "spiffe://mint.local//service/audit",
            "spiffe://mint.local/application/..",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
    }
}
