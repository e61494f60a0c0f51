//! What the decisions of several files are tested with.

use std::time::Duration;

use mint_issuer_contract::{Ends, EndsOf};
use mint_types::{Monotonic, Timestamp};

use super::{Proving, Rules};
use crate::state::Instant;

/// A user's passwords end by a call of their own, a client's secret by the next one; logins prove.
pub(super) const RULES: Rules = Rules {
    min_overlap: Duration::from_mins(1),
    max_overlap: Duration::from_mins(1),
    ends: EndsOf { user: Ends::OwnCall, client: Ends::Set },
    request_life: Duration::from_secs(12),
    unresolved_hold: Duration::from_mins(1),
    login_pause: Duration::ZERO,
    replace_window: Duration::from_secs(30),
    proving: Proving { by_login: true, attempts: 5 },
};

/// So many seconds after the beginning, on both clocks.
pub(super) fn at(seconds: u64) -> Instant {
    Instant {
        wall: Timestamp::from_unix_micros(0).plus(Duration::from_secs(seconds)),
        monotonic: Monotonic { boot: "boot".to_owned(), nanos: seconds * 1_000_000_000 },
    }
}
