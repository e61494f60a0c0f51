//! A time that only goes forward, and no faster than it does: what budgets and tombstone periods are counted by. Pure.
//!
//! The wall clock may jump, in one boot of one machine the monotonic clock does not. So the first time that a boot is
//! seen, both are written down together, and from then on only the monotonic one is asked. Between two boots nobody but
//! the wall clock knows what passed; there the time counted so far is never gone back behind.

use std::time::Duration;

use mint_types::{Clock, Monotonic, Timestamp};

/// Both clocks, read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// What is shown and what others compare.
    pub wall: Timestamp,
    /// What periods are counted by.
    pub monotonic: Monotonic,
}

impl Moment {
    /// Now.
    pub fn of(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }
}

/// What was written down when a boot was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The time counted then.
    pub counted: Timestamp,
    /// The monotonic clock then, in nanoseconds.
    pub nanos: u64,
}

/// The time that is counted: by this boot's anchor, else the wall clock's, never behind the latest anchor of any boot.
pub fn counted(anchor: Option<Anchor>, latest: Option<Timestamp>, moment: &Moment) -> Timestamp {
    match anchor {
        Some(Anchor { counted, nanos }) => {
            counted.plus(Duration::from_nanos(moment.monotonic.nanos.saturating_sub(nanos)))
        }
        None => latest.map_or(moment.wall, |latest| latest.max(moment.wall)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn moment(wall: i64, nanos: u64) -> Moment {
        Moment { wall: Timestamp::from_unix_micros(wall), monotonic: Monotonic { boot: "a".into(), nanos } }
    }

    #[test]
    fn within_a_boot_the_wall_clock_is_not_asked() {
        let anchor = Anchor { counted: Timestamp::from_unix_micros(10 * HOUR), nanos: 5_000 };
        for wall in [0, 9 * HOUR, 10 * HOUR, 11 * HOUR, 100 * HOUR] {
            let now = counted(Some(anchor), Some(anchor.counted), &moment(wall, 5_000 + 7_000));
            assert_eq!(now.unix_micros(), 10 * HOUR + 7);
        }
        let before = counted(Some(anchor), Some(anchor.counted), &moment(0, 4_000));
        assert_eq!(before, anchor.counted, "a monotonic clock that ran backwards is taken to stand still");
    }

    #[test]
    fn between_boots_the_counted_time_never_goes_back() {
        let latest = Some(Timestamp::from_unix_micros(10 * HOUR));
        assert_eq!(counted(None, latest, &moment(9 * HOUR, 0)).unix_micros(), 10 * HOUR);
        assert_eq!(counted(None, latest, &moment(12 * HOUR, 0)).unix_micros(), 12 * HOUR);
        assert_eq!(counted(None, None, &moment(9 * HOUR, 0)).unix_micros(), 9 * HOUR);
    }
}
