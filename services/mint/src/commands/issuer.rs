//! `mint issuer`: whether the issuer of credentials keeps its word.

use std::process::ExitCode;

use mint_api::convert::timestamp_from_wire;
use mint_api::rotation::v1 as rotation;
use serde::Serialize;

use crate::cli::{GlobalOptions, Output};
use crate::remote::Remote;
use crate::{Error, render, talk};

#[derive(Debug, Serialize)]
struct BrokenWord {
    application: String,
    reason: String,
    seen_at: String,
}

#[derive(Debug, Serialize)]
struct Issuer {
    driver: String,
    halted_at: Option<String>,
    resumed_by: String,
    budget: u32,
    broken_words: Vec<BrokenWord>,
}

/// Shows how the issuer stands.
pub(crate) async fn show(remote: &Remote, global: &GlobalOptions) -> Result<ExitCode, Error> {
    let issuer = told(remote.issuer().await?);
    print(global, issuer);
    Ok(ExitCode::SUCCESS)
}

/// Lets rotations there go on.
pub(crate) async fn resume(remote: &Remote, global: &GlobalOptions) -> Result<ExitCode, Error> {
    let issuer = told(remote.resume_issuer().await?);
    talk::say("mint: rotations at the issuer go on");
    print(global, issuer);
    Ok(ExitCode::SUCCESS)
}

fn told(issuer: rotation::Issuer) -> Issuer {
    let text = |at: Option<prost_types::Timestamp>| at.as_ref().map(|at| timestamp_from_wire(at).to_string());
    let words = issuer.broken_words.into_iter().map(|word| BrokenWord {
        application: word.application_id,
        reason: word.reason,
        seen_at: text(word.seen_at).unwrap_or_default(),
    });
    Issuer {
        driver: issuer.driver,
        halted_at: text(issuer.halted_at),
        resumed_by: issuer.resumed_by,
        budget: issuer.budget,
        broken_words: words.collect(),
    }
}

fn print(global: &GlobalOptions, issuer: Issuer) {
    match global.output {
        Output::Json => talk::print_json(&issuer),
        Output::Text => {
            let standing = issuer.halted_at.map_or_else(
                || "rotations go on".to_owned(),
                |at| format!("rotations are halted since {at}; `mint issuer resume` lets them go on"),
            );
            let broken = issuer.broken_words.len();
            let rows = issuer.broken_words.into_iter();
            let rows = rows.map(|word| vec![word.application, word.reason, word.seen_at]);
            let words = render::table(&["application", "broken word", "seen"], rows);
            talk::print(format_args!(
                "{}: {standing}; {broken} of {} broken words\n{words}",
                issuer.driver, issuer.budget
            ))
        }
    };
}
