//! Where the running world is, and as whom to speak to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mint_types::{OutboundUrl, ServiceName, TrustDomain};

use crate::Error;
use crate::cli::GlobalOptions;
use crate::up::{Endpoints, TRUST_DOMAIN, endpoints_file};

/// Where a world's data is when nobody says.
const DEFAULT_DATA: &str = ".mint";

/// How to reach the services of one world.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) trust_domain: TrustDomain,
    services: BTreeMap<ServiceName, OutboundUrl>,
    data: PathBuf,
    /// The embedded world's document, if that is what was found.
    pub(crate) world: Option<Endpoints>,
}

/// The data directory that the command line and the environment name.
pub(crate) fn data_directory(
    global: &GlobalOptions,
    environment: &impl Fn(&str) -> Option<String>,
) -> PathBuf {
    let named = global.data.clone().or_else(|| environment("MINT_DATA").map(PathBuf::from));
    named.unwrap_or_else(|| DEFAULT_DATA.into())
}

/// This process's environment.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What the command line, the environment and a running world say beside the services: flags win over an explicit
/// `--data`, that over the environment, that over the default directory.
pub(crate) struct Said<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    is_explicit: bool,
    pub(crate) data: PathBuf,
    pub(crate) world: Option<Endpoints>,
}

impl<'a> Said<'a> {
    pub(crate) fn new<E: Fn(&str) -> Option<String>>(global: &GlobalOptions, environment: &'a E) -> Self {
        let data = data_directory(global, environment);
        let world = read_world(&data).ok();
        Self { environment, is_explicit: global.data.is_some() && world.is_some(), data, world }
    }

    /// A variable that stands for something that a world says; none where that world was named.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|_| !self.is_explicit)
    }

    /// A URL: the flag's, the variable's, the world's.
    pub(crate) fn url(
        &self,
        flag: Option<&OutboundUrl>,
        variable: &str,
        kept: Option<String>,
    ) -> Result<Option<OutboundUrl>, Error> {
        if let Some(flag) = flag {
            return Ok(Some(flag.clone()));
        }
        let Some(text) = self.variable(variable).or(kept) else { return Ok(None) };
        text.parse().map(Some).map_err(|error: mint_types::InvalidUrl| Error::Usage {
            what: format!("{variable}: {error}"),
            advice: "write an https URL".to_owned(),
        })
    }
}

impl Reach {
    /// Flags win over an explicit `--data`, that over `MINT_*`, that over the default directory.
    pub(crate) fn find(
        global: &GlobalOptions,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let data = data_directory(global, environment);
        let world = read_world(&data);
        let known = world.as_ref().ok();
        let explicit = global.data.is_some() && known.is_some();
        let pick = |flag: Option<&PathBuf>, variable: &str, kept: Option<&String>| -> Option<PathBuf> {
            let from_environment = || environment(variable).map(PathBuf::from);
            let from_world = || kept.map(PathBuf::from);
            flag.cloned()
                .or_else(|| if explicit { from_world() } else { from_environment().or_else(from_world) })
        };
        let ca = pick(global.ca.as_ref(), "MINT_CA", known.map(|world| &world.ca));
        let cert = pick(global.cert.as_ref(), "MINT_CERT", known.map(|world| &world.operator_cert));
        let key = pick(global.key.as_ref(), "MINT_KEY", known.map(|world| &world.operator_key));
        let missing = |what: String| Error::NoWorld { data: data.clone(), what };
        let unknown = || match &world {
            Ok(_) => missing("it does not name a certificate".to_owned()),
            Err(what) => missing(what.clone()),
        };
        let (Some(ca), Some(cert), Some(key)) = (ca, cert, key) else {
            return Err(unknown());
        };
        let services = services(global, environment, known, explicit)?;
        let trust_domain = trust_domain(global, environment)?;
        Ok(Self { ca, cert, key, trust_domain, services, data: data.clone(), world: world.ok() })
    }

    /// An embedded world that this process runs.
    pub(crate) fn of_world(world: Endpoints, data: &Path) -> Self {
        Self {
            ca: (&world.ca).into(),
            cert: (&world.operator_cert).into(),
            key: (&world.operator_key).into(),
            trust_domain: embedded_trust_domain(),
            services: parsed(&world),
            data: data.to_owned(),
            world: Some(world),
        }
    }

    /// Where a service is.
    pub(crate) fn url(&self, service: ServiceName) -> Result<&OutboundUrl, Error> {
        self.services.get(&service).ok_or_else(|| Error::NoWorld {
            data: self.data.clone(),
            what: format!("nobody says where {service} is"),
        })
    }
}

fn read_world(data: &Path) -> Result<Endpoints, String> {
    let file = endpoints_file(data);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn parsed(world: &Endpoints) -> BTreeMap<ServiceName, OutboundUrl> {
    world
        .services
        .iter()
        .filter_map(|(service, url)| Some((service.parse().ok()?, url.parse().ok()?)))
        .collect()
}

fn services(
    global: &GlobalOptions,
    environment: &impl Fn(&str) -> Option<String>,
    world: Option<&Endpoints>,
    explicit: bool,
) -> Result<BTreeMap<ServiceName, OutboundUrl>, Error> {
    let mut services = world.map(parsed).unwrap_or_default();
    for service in ServiceName::ALL.into_iter().chain([ServiceName::Broker]) {
        let variable = format!("MINT_{}", service.as_str().replace('-', "_").to_ascii_uppercase());
        let Some(url) = environment(&variable).filter(|_| !explicit) else { continue };
        let url = url.parse::<OutboundUrl>().map_err(|error| Error::Usage {
            what: format!("{variable}: {error}"),
            advice: "write an https URL".to_owned(),
        })?;
        services.insert(service, url);
    }
    services.extend(global.endpoint.iter().cloned());
    Ok(services)
}

fn trust_domain(
    global: &GlobalOptions,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<TrustDomain, Error> {
    if let Some(domain) = &global.trust_domain {
        return Ok(domain.clone());
    }
    environment("MINT_TRUST_DOMAIN").map_or_else(
        || Ok(embedded_trust_domain()),
        |text| {
            text.parse().map_err(|error: mint_types::InvalidId| Error::Usage {
                what: format!("MINT_TRUST_DOMAIN: {error}"),
                advice: "write the trust domain of the services' SPIFFE ids".to_owned(),
            })
        },
    )
}

/// The trust domain of every embedded world.
pub(crate) fn embedded_trust_domain() -> TrustDomain {
    TRUST_DOMAIN.parse().expect("a constant that a test parses")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn global(arguments: &[&str]) -> GlobalOptions {
        let all = ["mint", "status"].iter().chain(arguments);
        Cli::try_parse_from(all).unwrap().global
    }

    fn world() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        let document = serde_json::json!({
            "token_url": "", "kio_url": "", "service_user_url": "", "s3_endpoint": "http://127.0.0.1:1",
            "s3_region": "r", "sts_endpoint": "", "sandbox_url": "", "broker_url": "", "ca": "/w/ca.pem",
            "operator_cert": "/w/cert.pem", "operator_key": "/w/key.pem",
            "services": {"coordinator": "https://127.0.0.1:7", "audit": "https://127.0.0.1:8"},
        });
        std::fs::write(data.path().join("endpoints.json"), document.to_string()).unwrap();
        data
    }

    #[test]
    fn a_world_is_found_through_its_data() {
        let data = world();
        let reach = Reach::find(&global(&["--data", data.path().to_str().unwrap()]), &|_| None).unwrap();
        assert_eq!(reach.url(ServiceName::Coordinator).unwrap().as_str(), "https://127.0.0.1:7");
        assert_eq!(reach.cert, Path::new("/w/cert.pem"));
        assert_eq!(reach.trust_domain.as_str(), "mint.local");
        assert_eq!(reach.url(ServiceName::Rotator).unwrap_err().exit_code(), 69);
    }

    #[test]
    fn what_is_said_on_the_command_line_wins() {
        let data = world();
        let said = |name: &str| {
            (name == "MINT_CERT" || name == "MINT_COORDINATOR").then(|| "https://127.0.0.1:9".to_owned())
        };
        let path = data.path().to_str().unwrap();
        let explicit = Reach::find(&global(&["--data", path]), &said).unwrap();
        assert_eq!(explicit.url(ServiceName::Coordinator).unwrap().as_str(), "https://127.0.0.1:7");
        assert_eq!(explicit.cert, Path::new("/w/cert.pem"));
        let flags = ["--data", path, "--cert", "/c", "--endpoint", "coordinator=https://127.0.0.1:5"];
        let flagged = Reach::find(&global(&flags), &said).unwrap();
        assert_eq!(flagged.url(ServiceName::Coordinator).unwrap().as_str(), "https://127.0.0.1:5");
        assert_eq!(flagged.cert, Path::new("/c"));
        let variables = |name: &str| if name == "MINT_DATA" { Some(path.to_owned()) } else { said(name) };
        let implicit = Reach::find(&global(&[]), &variables).unwrap();
        assert_eq!(implicit.url(ServiceName::Coordinator).unwrap().as_str(), "https://127.0.0.1:9");
    }

    #[test]
    fn no_world_is_unavailable_and_says_how_to_start_one() {
        let error = Reach::find(&global(&["--data", "/nowhere"]), &|_| None).unwrap_err();
        assert_eq!(error.exit_code(), 69);
        assert!(error.advice().contains("mint up --data /nowhere"));
    }
}
