//! Seeds that once failed, as they are kept: lines `world`, `rotations`, `faults` (in a million calls), `operators 1` if
//! there were some, and what was wrong after `#`.

use std::collections::BTreeMap;

use crate::world::Plan;

/// What a kept seed says; an error names the line that is wrong or missing.
pub fn parse_seed(text: &str) -> Result<Plan, String> {
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, number) =
            line.split_once(' ').ok_or_else(|| format!("{line:?} is no name with a number"))?;
        let number = number.trim().parse().map_err(|_| format!("{line:?} ends in no number"))?;
        numbers.insert(name, number);
    }
    let number = |name: &str| numbers.get(name).copied().ok_or_else(|| format!("{name} is missing"));
    Ok(Plan {
        seed: number("world")?,
        rotations: number("rotations")?,
        fault_rate: number("faults")?,
        operators: numbers.get("operators").is_some_and(|operators| *operators > 0),
        trace: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_seed_is_read_and_a_broken_one_is_refused() {
        let plan = parse_seed("# why\nworld 7\nrotations 30\nfaults 50000\n").unwrap();
        assert_eq!((plan.seed, plan.rotations, plan.fault_rate), (7, 30, 50_000));
        assert!(!plan.operators, "older seeds know of none");
        assert!(parse_seed("world 7\nrotations 30\nfaults 50000\noperators 1\n").unwrap().operators);
        for broken in ["world 7\nrotations 30", "world x\nrotations 30\nfaults 1", "world"] {
            assert!(parse_seed(broken).is_err(), "{broken}");
        }
    }
}
