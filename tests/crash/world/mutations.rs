//! Which rules the harness misses when they are switched off in every service: one world for each, and few walks in it.

use std::time::Duration;

use mint_types::mutation::{Catcher, Mutation};

use crate::cases::{Case, Issuer, Way};
use crate::{Options, run, stage};

/// What is walked with a rule switched off: deaths where a rotation is least decided, and each way that brings a rule to
/// bear.
const WALKED: &[(&str, Way)] = &[
    ("rotator.issuer.create.after", Way::Password),
    ("rotator.issuer.create.after", Way::Client),
    ("rotator.issuer.create.after", Way::Combined),
    ("rotator.issuer.end.before", Way::Password),
    ("rotator.issuer.end.after", Way::Client),
    ("rotator.ledger.begin_overlap.after", Way::OtherMachine),
    ("coordinator.store.take.before", Way::Restored),
    ("coordinator.rotator.retire.after", Way::Password),
    ("distributor.store.put_object.after", Way::Password),
    ("identity-provisioner.state.apply.after", Way::Disable),
];

/// How long anything may take with a rule switched off: the rest is not loaded.
const PATIENCE: Duration = Duration::from_secs(45);

/// Whether a case is walked with a rule switched off.
pub(crate) fn is_walked(case: &Case) -> bool {
    case.issuer == Issuer::ServiceUser && WALKED.contains(&(case.point.as_str(), case.way))
}

/// Switches one rule off after another; answers how many that the harness is to notice it did not.
pub(crate) async fn run_all(asked: &str, options: &Options) -> usize {
    if !cfg!(feature = "mutations") {
        println!("no rule can be switched off in this build: --features mint-crash/mutations");
        return 1;
    }
    let mutations = match asked {
        "all" => Mutation::ALL.to_vec(),
        name => vec![name.parse().unwrap_or_else(|unknown| panic!("{unknown}"))],
    };
    stage::be_patient_for(PATIENCE);
    let (mut told, mut missed) = (Vec::new(), 0);
    for mutation in mutations {
        let options = Options { mutation: Some(mutation.as_str().to_owned()), ..options.clone() };
        let failures = run::run(&options).await;
        let expected = mutation.caught_by().contains(&Catcher::Harness);
        let verdict = match (failures.first(), expected) {
            (Some(first), _) => format!("caught   {}", first.chars().take(160).collect::<String>()),
            (None, true) => "MISSED".to_owned(),
            (None, false) => "not seen (others are to)".to_owned(),
        };
        missed += usize::from(expected && failures.is_empty());
        told.push(format!("{:<34}breaks {}  {verdict}", mutation.as_str(), mutation.breaks()));
        println!("{}", told[told.len() - 1]);
    }
    println!("\n{}", told.join("\n"));
    println!("{} passed, {missed} failed", told.len() - missed);
    missed
}
