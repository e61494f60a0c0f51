//! Whether an issuer may still be asked for anything.

use std::time::Duration;

use crate::Error;
use crate::ledger::IssuerStanding;

/// How often an issuer may break its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBudget {
    /// The issuer's name in the ledger.
    pub issuer: &'static str,
    /// That many times…
    pub lies: u32,
    /// …within this time.
    pub window: Duration,
}

/// Whether the budget is used up.
pub fn is_used_up(standing: &IssuerStanding, budget: &ErrorBudget) -> bool {
    counted(standing) >= budget.lies
}

/// Refuses while the issuer is halted, which only an operator ends.
pub fn check_issuer(standing: &IssuerStanding) -> Result<(), Error> {
    if standing.halted_at.is_none() {
        return Ok(());
    }
    let last_reason = standing.lies.first().map_or("none within the window", |lie| lie.reason.as_str());
    Err(Error::IssuerHalted { lies: counted(standing), last_reason: last_reason.to_owned() })
}

fn counted(standing: &IssuerStanding) -> u32 {
    u32::try_from(standing.lies.len()).unwrap_or(u32::MAX)
}
