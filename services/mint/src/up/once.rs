//! `mint up --once`: until every application is delivered or has failed, and then one document.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use mint_types::{Problem, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::board::Board;
use super::{World, follow, sandbox};
use crate::Error;
use crate::cli::{GlobalOptions, Output, Up};
use crate::remote::Remote;
use crate::report::Document;
use crate::standing::Standing;
use crate::{render, talk};

/// Before the catalog is asked again.
const PAUSE: Duration = Duration::from_millis(300);

/// Follows until everything is finished or the time is over, and prints the document.
pub(crate) async fn run(
    remote: &Remote,
    world: &World,
    global: &GlobalOptions,
    options: &Up,
    deadline: Instant,
) -> Result<ExitCode, Error> {
    let since = world.clock.now();
    let mut board = Board::default();
    for entry in &world.registry.applications {
        board.expect(entry.id.as_str(), None);
    }
    let finished = async {
        expect_catalog(remote, &mut board).await;
        follow::until(remote, world, &mut board, Board::is_complete).await;
    };
    if timeout_at(deadline, finished).await.is_err() {
        world.console.say(format_args!("mint: not everything is finished within {}", options.timeout));
    }
    let lines = board.lines(|standing| late(standing, since, options));
    let calls = sandbox::upstream_calls(&world.urls).await;
    if calls.is_none() {
        world.console.say("mint: the embedded world does not tell its calls; they are counted as 0");
    }
    let document = Document::of(lines, calls.unwrap_or(0));
    world.console.close();
    match global.output {
        Output::Json => talk::print_json(&document),
        Output::Text => talk::print(render::document(&document)),
    };
    let code = if document.summary.failed == 0 { crate::error::OK } else { crate::error::FAILED };
    Ok(ExitCode::from(code))
}

/// Tells the board at which revision each record of the catalog is; settings are entered by now.
async fn expect_catalog(remote: &Remote, board: &mut Board) {
    loop {
        if let Ok((records, _)) = remote.catalog().await {
            let records: BTreeMap<_, _> =
                records.into_iter().map(|record| (record.id, record.revision.0)).collect();
            for (id, revision) in &records {
                board.expect(id.as_str(), Some(*revision));
            }
            if board.is_known() {
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn late(standing: Option<&Standing>, since: Timestamp, options: &Up) -> Problem {
    let detail = standing.map_or_else(
        || "nothing was heard of the application".to_owned(),
        |standing| {
            let credentials: Vec<_> = standing.credentials.iter().map(render::credential).collect();
            if credentials.is_empty() {
                "no credential is under way yet".to_owned()
            } else {
                credentials.join(", ")
            }
        },
    );
    let attempts =
        standing.into_iter().flat_map(|standing| &standing.credentials).map(|credential| credential.attempts);
    Problem {
        kind: "timed_out".to_owned(),
        title: format!("not finished within {}", options.timeout),
        detail,
        next_action: "give it longer with --timeout, or look at `mint status` of a running world".to_owned(),
        since,
        attempts: attempts.max().unwrap_or(0),
        credential: None,
        destination: None,
    }
}
