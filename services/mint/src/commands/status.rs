//! `mint status`: how everything stands.

use std::fmt::Write as _;
use std::process::ExitCode;

use futures::future::join_all;
use mint_api::convert::timestamp_from_wire;
use mint_api::registry::v1::GetSourceResponse;
use mint_types::{Problem, ServiceName, Timestamp};
use serde::Serialize;

use crate::Error;
use crate::cli::{GlobalOptions, Output, Status};
use crate::remote::{Remote, problems};
use crate::standing::Standing;
use crate::{render, talk};

#[derive(Debug, Serialize)]
struct Document {
    services: Vec<Service>,
    source: Option<Source>,
    paused: bool,
    catalog_revision: u64,
    applications: Vec<Standing>,
}

#[derive(Debug, Serialize)]
struct Service {
    name: &'static str,
    serving: bool,
    /// What it says instead of SERVING.
    detail: Option<String>,
    /// What it says is wrong with itself.
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Source {
    driver: String,
    location: String,
    accepted_at: Option<Timestamp>,
    applications: u64,
    revision: u64,
    problems: Vec<Problem>,
}

impl From<GetSourceResponse> for Source {
    fn from(wire: GetSourceResponse) -> Self {
        Self {
            driver: wire.driver,
            location: wire.location,
            accepted_at: wire.accepted_at.as_ref().map(timestamp_from_wire),
            applications: wire.applications,
            revision: wire.revision,
            problems: problems(wire.problems),
        }
    }
}

/// Asks everybody; whoever does not answer is named and keeps nobody else from being shown.
pub(crate) async fn run(
    remote: &Remote,
    global: &GlobalOptions,
    options: &Status,
) -> Result<ExitCode, Error> {
    let team = options.team.as_deref().unwrap_or_default();
    let (mut services, source, overview, orphans) = futures::join!(
        join_all(remote.services().map(|service| health(remote, service))),
        remote.source(),
        remote.overview(team, options.problems),
        super::orphans::problems(remote),
    );
    if overview.as_ref().is_ok_and(|overview| overview.standings.is_empty()) {
        exists(remote, team).await?;
    }
    for error in [source.as_ref().err(), overview.as_ref().err()].into_iter().flatten() {
        talk::say(format_args!("mint: {error} [{}]", error.code()));
    }
    let failed = overview.is_err() || source.is_err() || services.iter().any(|service| !service.serving);
    let nobody = services.iter().all(|service| !service.serving);
    let overview = overview.unwrap_or_default();
    for service in services.iter_mut().filter(|service| service.name == ServiceName::Coordinator.as_str()) {
        service.problems.clone_from(&overview.problems);
    }
    let provisioner = ServiceName::IdentityProvisioner.as_str();
    match orphans {
        Ok(orphans) => {
            if let Some(own) = services.iter_mut().find(|service| service.name == provisioner) {
                own.problems = orphans;
            }
        }
        // a team or an application may not ask
        Err(Error::Refused { code: tonic::Code::PermissionDenied, .. }) => {}
        Err(error) => talk::say(format_args!("mint: {error} [{}]", error.code())),
    }
    let document = Document {
        services,
        source: source.ok().map(Source::from),
        paused: overview.paused,
        catalog_revision: overview.catalog_revision,
        applications: overview.standings,
    };
    match global.output {
        Output::Json => talk::print_json(&document),
        Output::Text => talk::print(text(&document)),
    };
    Ok(match (nobody, failed) {
        (true, _) => ExitCode::from(crate::error::UNAVAILABLE),
        (false, true) => ExitCode::from(crate::error::FAILED),
        (false, false) => ExitCode::from(crate::error::OK),
    })
}

/// Refuses a team that owns nothing: a typing error looks like a team without trouble.
async fn exists(remote: &Remote, team: &str) -> Result<(), Error> {
    if team.is_empty() || !remote.overview(team, false).await?.standings.is_empty() {
        return Ok(());
    }
    Err(Error::Usage {
        what: format!("no application belongs to a team {team}"),
        advice: "look at `mint status` for the applications, and at `mint app show APP` for the team of one"
            .to_owned(),
    })
}

async fn health(remote: &Remote, service: ServiceName) -> Service {
    let answer = remote.health(service).await;
    Service { name: service.as_str(), serving: answer.is_ok(), detail: answer.err(), problems: vec![] }
}

fn text(document: &Document) -> String {
    let mut text = render::standings(&document.applications);
    if document.paused {
        text.push_str("\nthe whole constellation is paused: nothing new is started (`mint resume`)\n");
    }
    for service in document.services.iter().filter(|service| !service.serving) {
        let detail = service.detail.as_deref().unwrap_or_default();
        let _ = write!(text, "\n{} is not SERVING: {detail}\n", service.name);
    }
    for service in &document.services {
        for problem in &service.problems {
            text.push('\n');
            text.push_str(&render::problem_text(service.name, problem));
        }
    }
    if let Some(source) = &document.source {
        for problem in &source.problems {
            text.push('\n');
            text.push_str(&render::problem_text(&format!("registry {}", source.location), problem));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::State;
    use crate::standing::samples::{problem, standing};

    fn document(problems: Vec<Problem>) -> Document {
        let coordinator = Service { name: "coordinator", serving: true, detail: None, problems };
        Document {
            services: vec![coordinator],
            source: None,
            paused: false,
            catalog_revision: 1,
            applications: vec![standing("kio", State::Delivered, vec![])],
        }
    }

    #[test]
    fn a_coordinator_that_serves_and_cannot_write_is_shown() {
        let troubled = document(vec![problem("state_unavailable", None)]);
        let shown = text(&troubled);
        assert!(shown.contains("coordinator: the bucket refuses the write [state_unavailable]"), "{shown}");
        assert!(shown.contains("do: "), "{shown}");
        let json = serde_json::to_value(&troubled).unwrap();
        assert_eq!(json["services"][0]["problems"][0]["type"], "state_unavailable");
        assert_eq!(json["services"][0]["serving"], true);
        assert!(!text(&document(vec![])).contains("state_unavailable"));
    }
}
