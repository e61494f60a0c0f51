//! The command line and environment of each child.

use std::ffi::OsString;

use mint_types::ServiceName;

use super::TRUST_DOMAIN;
use super::children::Program;
use super::environment;
use super::executables::Executables;
use super::layout::{DataDirectory, SANDBOX};
use super::ports::Ports;
use super::urls::Urls;

/// What a child inherits; nothing that gives power, and nothing that leads it elsewhere.
const INHERITED: [&str; 9] =
    ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "RUST_BACKTRACE", "RUST_LOG", "MINT_LOG"];

/// Everything a child is started with.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) executables: Executables,
    pub(crate) directory: DataDirectory,
    pub(crate) ports: Ports,
    pub(crate) urls: Urls,
}

impl Programs {
    /// The embedded world.
    pub(crate) fn sandbox(&self) -> Program {
        let mut arguments: Vec<OsString> = vec!["--data".into(), self.directory.root().into()];
        arguments.extend(["--registry".into(), super::input::of_world(&self.directory).into()]);
        arguments.extend(["--listen".into(), format!("127.0.0.1:{}", self.ports.sandbox()).into()]);
        arguments.extend(["--s3-listen".into(), format!("127.0.0.1:{}", self.ports.s3()).into()]);
        arguments.extend(["--broker-issuer".into(), self.urls.broker_http().into()]);
        arguments.extend(["--trust-domain".into(), TRUST_DOMAIN.into(), "--die-with-parent".into()]);
        Program {
            name: SANDBOX,
            executable: self.executables.sandbox(),
            arguments,
            environment: inherited(SANDBOX, std::env::vars_os()),
        }
    }

    /// A service.
    pub(crate) fn service(&self, service: ServiceName) -> Program {
        let mut environment = inherited(service.as_str(), std::env::vars_os());
        if has_power_at_aws(service) {
            let lines = environment::service(&self.directory, &self.urls, service);
            environment.extend(lines.into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        Program {
            name: service.as_str(),
            executable: self.executables.service(service),
            arguments: vec![
                "--config".into(),
                self.directory.config(service).into(),
                "--die-with-parent".into(),
            ],
            environment,
        }
    }
}

/// Only who may do something at AWS is told how to become somebody there (`services/*/permissions/aws.json`).
fn has_power_at_aws(service: ServiceName) -> bool {
    match service {
        ServiceName::Distributor => true,
        ServiceName::RegistrySync
        | ServiceName::IdentityProvisioner
        | ServiceName::Rotator
        | ServiceName::Coordinator
        | ServiceName::Audit
        | ServiceName::Broker => false,
    }
}

fn inherited(name: &str, all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let own = format!("MINT_{}__", name.replace('-', "_").to_ascii_uppercase());
    let passes = |variable: &OsString| {
        variable.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with(&own))
    };
    all.filter(|(variable, _)| passes(variable)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_credentials_do_not_become_a_services() {
        let all = [
            "PATH",
            "AWS_ACCESS_KEY_ID",
            "MINT_LOG",
            "MINT_CERT",
            "MINT_ROTATOR__ROTATION__MIN_OVERLAP",
            "MINT_AUDIT__LISTEN",
        ];
        let all = all.map(|name| (OsString::from(name), OsString::from("x")));
        let names: Vec<_> = inherited("rotator", all.into_iter()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "MINT_LOG", "MINT_ROTATOR__ROTATION__MIN_OVERLAP"]);
    }
}
