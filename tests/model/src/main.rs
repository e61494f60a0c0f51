//! `mint-model [CONFIGURATION]` explores the protocol; `mint-model --mutation NAME|all` (feature `mutations`) switches
//! rules of the real code off, and fails unless that is noticed.
#![expect(clippy::print_stdout, reason = "a test program that prints what it found")]

use std::process::ExitCode;

use mint_model::{configurations, report};
use mint_types::mutation::{Catcher, Mutation};

/// Threads that explore: as many as CI has.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    let (passed, failed) = match first.as_deref() {
        Some("--mutation") => mutations(&args.next().unwrap_or_else(|| "all".to_owned())),
        configuration => report::run(configurations(), configuration, THREADS, print),
    };
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(run: &report::Run) {
    let found = &run.explored;
    println!("{}: {}", run.name, run.bounds);
    println!("  {} states, depth {}, {:.1} s", found.states, found.depth, found.took.as_secs_f64());
    for (what, way) in &found.violations {
        println!("  VIOLATION {what}\n    {way}");
    }
}

#[cfg(feature = "mutations")]
fn mutations(asked: &str) -> (usize, usize) {
    let (mut passed, mut failed) = (0, 0);
    for mutation in
        Mutation::ALL.iter().copied().filter(|mutation| asked == "all" || mutation.as_str() == asked)
    {
        let others: Vec<&str> = mutation.caught_by().iter().map(|catcher| catcher.as_str()).collect();
        let line =
            format!("{:32} breaks {}  expected: {}", mutation.as_str(), mutation.breaks(), others.join(", "));
        if !mutation.caught_by().contains(&Catcher::Model) {
            println!("{line}\n    not the model's");
            continue;
        }
        mint_types::mutation::activate(Some(mutation));
        let caught = report::hunt(mutation, THREADS);
        mint_types::mutation::activate(None);
        match caught {
            Some((configuration, took, what)) => {
                passed += 1;
                println!("{line}\n    caught in {:.1} s by `{configuration}`: {what}", took.as_secs_f64());
            }
            None => {
                failed += 1;
                println!("{line}\n    NOT CAUGHT");
            }
        }
    }
    (passed, failed)
}

#[cfg(not(feature = "mutations"))]
fn mutations(_asked: &str) -> (usize, usize) {
    let (count, model) = (Mutation::ALL.len(), Catcher::Model.as_str());
    println!("{count} mutations for the {model} and others: build with --features mutations");
    (0, 1)
}
