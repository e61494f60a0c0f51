//! `mint watch`: every change of status, until interrupted.

use std::process::ExitCode;
use std::time::Duration;

use mint_types::ApplicationId;

use crate::Error;
use crate::cli::{GlobalOptions, Output};
use crate::remote::Remote;
use crate::standing::Standing;
use crate::{render, talk};

/// Before a lost watch is taken up again.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// Prints each change as a line; a coordinator that is restarted is waited for.
pub(crate) async fn run(
    remote: &Remote,
    global: &GlobalOptions,
    application: Option<&ApplicationId>,
) -> Result<ExitCode, Error> {
    let mut stream = remote.watch_standings(application).await?;
    loop {
        match stream.message().await {
            Ok(Some(change)) => {
                let Some(standing) = change.application.map(Standing::from) else { continue };
                if !print(global.output, &standing) {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            lost => {
                let why = lost
                    .err()
                    .map_or_else(|| "the stream ended".to_owned(), |status| status.message().to_owned());
                talk::say(format_args!("mint: the watch is interrupted ({why}); trying again"));
                stream = again(remote, application).await?;
            }
        }
    }
}

fn print(output: Output, standing: &Standing) -> bool {
    match output {
        Output::Json => talk::print_json_line(standing),
        Output::Text => talk::print(format_args!("{}\n", line(standing))),
    }
}

/// One line about an application.
pub(crate) fn line(standing: &Standing) -> String {
    let credentials: Vec<_> = standing.credentials.iter().map(render::credential).collect();
    let problems: Vec<_> =
        standing.problems.iter().map(|problem| format!("; {} [{}]", problem.title, problem.kind)).collect();
    format!("{} {}: {}{}", standing.id, standing.state.as_str(), credentials.join(", "), problems.concat())
}

async fn again(
    remote: &Remote,
    application: Option<&ApplicationId>,
) -> Result<tonic::Streaming<mint_api::coordination::v1::WatchApplicationsResponse>, Error> {
    loop {
        tokio::time::sleep(PAUSE).await;
        match remote.watch_standings(application).await {
            Err(Error::Unanswered { .. }) => {}
            other => return other,
        }
    }
}
