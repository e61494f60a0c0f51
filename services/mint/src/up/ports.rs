//! Which ports the world listens on: chosen once, kept, and tried again at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};

use mint_types::{Entropy, ServiceName};

use super::layout::{DataDirectory, SANDBOX, write_private};
use crate::Error;

/// The embedded S3's name among the listeners.
pub(crate) const S3: &str = "s3";
/// The broker's calls over HTTP.
const BROKER_HTTP: &str = "broker-http";

/// Below this, well-known services live.
const LOWEST: u16 = 15_000;
/// Where the kernel takes ports for outgoing connections from when it does not say (Linux's default).
const EPHEMERAL: u16 = 32_768;
/// Draws before giving up: that many busy ports in a row mean something else is wrong.
const DRAWS: usize = 1000;

/// Port by listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// The kept ports as far as they are free, new ones for the others; written down.
    pub(crate) fn choose(directory: &DataDirectory, entropy: &dyn Entropy) -> Result<Self, Error> {
        let file = directory.run().join("ports.json");
        let kept = std::fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok());
        let ceiling = ephemeral_floor();
        let draw =
            || LOWEST.saturating_add(u16::try_from(entropy.below(u64::from(ceiling - LOWEST))).unwrap_or(0));
        let chosen = choose(&kept.unwrap_or_default(), is_free, draw);
        let ports = chosen.ok_or_else(|| Error::Io {
            what: "find free ports on 127.0.0.1".to_owned(),
            source: std::io::Error::from(std::io::ErrorKind::AddrInUse),
        })?;
        let text = serde_json::to_string_pretty(&ports).unwrap_or_default();
        write_private(&file, text + "\n")?;
        Ok(Self(ports))
    }

    /// The port of a service.
    pub(crate) fn of(&self, service: ServiceName) -> u16 {
        self.named(service.as_str())
    }

    /// The port of the embedded world's HTTP APIs.
    pub(crate) fn sandbox(&self) -> u16 {
        self.named(SANDBOX)
    }

    /// The port of the embedded S3.
    pub(crate) fn s3(&self) -> u16 {
        self.named(S3)
    }

    /// The port of the broker's calls over HTTP.
    pub(crate) fn broker_http(&self) -> u16 {
        self.named(BROKER_HTTP)
    }

    fn named(&self, name: &str) -> u16 {
        self.0.get(name).copied().unwrap_or(0)
    }

    #[cfg(test)]
    pub(crate) fn from_first(first: u16) -> Self {
        Self(listeners().zip(first..).map(|(name, port)| (name.to_owned(), port)).collect())
    }
}

fn listeners() -> impl Iterator<Item = &'static str> {
    [SANDBOX, S3].into_iter().chain(super::services().map(ServiceName::as_str)).chain([BROKER_HTTP])
}

/// Outgoing connections take ports from here on; one of them could sit on a child's port just when it is restarted.
fn ephemeral_floor() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let floor = range.and_then(|range| range.split_whitespace().next()?.parse().ok());
    floor.filter(|floor| *floor > LOWEST + 1000).unwrap_or(EPHEMERAL)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn choose(
    kept: &BTreeMap<String, u16>,
    is_free: impl Fn(u16) -> bool,
    mut draw: impl FnMut() -> u16,
) -> Option<BTreeMap<String, u16>> {
    let mut taken = BTreeSet::new();
    let mut chosen = BTreeMap::new();
    for name in listeners() {
        let again = kept.get(name).copied().filter(|port| !taken.contains(port) && is_free(*port));
        if let Some(port) = again {
            taken.insert(port);
            chosen.insert(name.to_owned(), port);
        }
    }
    for name in listeners() {
        if chosen.contains_key(name) {
            continue;
        }
        let port = (0..DRAWS).map(|_| draw()).find(|port| !taken.contains(port) && is_free(*port))?;
        taken.insert(port);
        chosen.insert(name.to_owned(), port);
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut() -> u16 {
        let mut next = 20_000;
        move || {
            next += 1;
            next
        }
    }

    #[test]
    fn kept_ports_are_taken_again() {
        let first = choose(&BTreeMap::new(), |_| true, counting()).unwrap();
        assert_eq!(first.len(), 10);
        assert_eq!(choose(&first, |_| true, || unreachable!()).unwrap(), first);
    }

    #[test]
    fn only_a_busy_port_is_replaced_and_no_port_is_given_twice() {
        let first = choose(&BTreeMap::new(), |_| true, counting()).unwrap();
        let busy = first["rotator"];
        let second = choose(&first, |port| port != busy, counting()).unwrap();
        let changed: Vec<_> = first.iter().filter(|(name, port)| second[*name] != **port).collect();
        assert_eq!(changed, [(&"rotator".to_owned(), &busy)]);
        assert_eq!(second.values().collect::<BTreeSet<_>>().len(), 10);
    }

    #[test]
    fn no_free_port_is_no_endless_search() {
        assert_eq!(choose(&BTreeMap::new(), |_| false, counting()), None);
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
