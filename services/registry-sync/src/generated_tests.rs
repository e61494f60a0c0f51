//! What registries answer when they are ill, ten thousand times.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_testkit::SeededEntropy;
use mint_types::{Budget, Entropy, Presence, Revision, Timestamp};
use serde_json::{Value, json};

use crate::{
    guard::Allowance,
    model::{Record, revised},
    parse,
    plan::{self, Direct, Snapshot},
    ports::{SourceFault, SourceReason},
};

const ANSWERS: u64 = 10_000;
const FLEET: usize = 40;
const DAY: Duration = Duration::from_hours(24);

struct Registry {
    entropy: SeededEntropy,
    now: Timestamp,
    catalog: Snapshot,
    /// When each application went out of use, while it is.
    ended: BTreeMap<String, Timestamp>,
    revision: u64,
    /// When each record was first there, real or not.
    first_seen: BTreeMap<String, Timestamp>,
}

fn truth(number: usize) -> Value {
    json!({"id": format!("app-{number}"), "team_id": "stups", "name": format!("App {number}"),
        "last_modified": "2026-12-01T00:00:00Z"})
}

/// A complete list of before: some were not there yet, others out of use, or another team's.
fn of_old() -> Vec<Value> {
    let old = |number: usize| {
        let mut entry = truth(number);
        entry["last_modified"] = json!("2026-11-01T00:00:00Z");
        if number.is_multiple_of(3) {
            entry["team_id"] = json!("before");
        }
        entry["active"] = json!(!number.is_multiple_of(7));
        entry
    };
    (0..FLEET).filter(|number| !number.is_multiple_of(11)).map(old).collect()
}

/// Applications of another tenant, which nobody asked for.
const TENANTS: usize = 12;

impl Registry {
    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.entropy.below(bound as u64)).unwrap()
    }

    fn some(&self, list: &mut [Value], spoil: impl Fn(&mut Value)) {
        let count = self.below(list.len() + 1);
        for _ in 0..count {
            let index = self.below(list.len());
            spoil(&mut list[index]);
        }
    }

    /// One answer to a list, of one of the kinds of trouble, or none.
    fn answer(&self) -> Vec<u8> {
        let mut list: Vec<Value> = (0..FLEET).map(truth).collect();
        match self.below(15) {
            0 => return Vec::new(),
            1 => return b"[]".to_vec(),
            2 => return b"<html>maintenance</html>".to_vec(),
            3 => return br#"{"error": "internal", "status": 500}"#.to_vec(),
            4 => {
                let text = Value::Array(list).to_string().into_bytes();
                return text[..self.below(text.len())].to_vec();
            }
            5 => list.truncate(self.below(FLEET)),
            6 => {
                let twice = list[self.below(FLEET)].clone();
                list.push(twice);
            }
            7 => list.retain(|_| self.below(8) > 0),
            8 => list = (0..FLEET).map(|number| truth(number + 1000)).collect(),
            9 => self.some(&mut list, |entry| entry["active"] = json!(false)),
            10 => self.some(&mut list, |entry| entry["team_id"] = json!("another")),
            11 => list.extend((0..3).map(|_| truth(1000 + self.below(TENANTS)))),
            12 => list = of_old(),
            13 => self.some(&mut list, |entry| entry["last_modified"] = json!("2099-01-01T00:00:00Z")),
            _ => self.some(&mut list, |entry| entry["name"] = json!(7)),
        }
        Value::Array(list).to_string().into_bytes()
    }

    /// A direct read: the truth, nothing, or no answer.
    fn direct(&self, id: &mint_types::ApplicationId) -> Direct {
        match self.below(3) {
            0 => Direct::Missing,
            1 => Direct::Unanswered(SourceFault::new(SourceReason::Unreachable, "503")),
            _ => {
                let number = id.as_str().trim_start_matches("app-").parse().unwrap();
                let body = truth(number).to_string();
                Direct::Found(Box::new(parse::single(body.as_bytes(), id).unwrap()))
            }
        }
    }

    fn read(&mut self) -> Result<(), SourceFault> {
        let listing = parse::list(&self.answer())?;
        let doubtful = plan::doubtful(&self.catalog, &listing, &[], self.now)?;
        let direct = doubtful.into_iter().map(|id| (id.clone(), self.direct(&id))).collect();
        let allowance = Allowance::of(&self.catalog, &[], self.now);
        let plan = plan::changes(&self.catalog, &listing, &direct, &allowance, self.now);
        for change in &plan.changes {
            let before = self.catalog.get(change.id());
            let Some(after) = change.applied(before, self.now) else { continue };
            let Some(after) = revised(before, after, Revision(self.revision)) else { continue };
            self.revision += 1;
            self.catalog.insert(after.id.clone(), after);
        }
        plan.fault.map_or(Ok(()), Err)
    }

    /// Nobody is lost, and no more are out of use, or with another owner, since a day than the budget allows.
    fn check(&mut self, what: &str) {
        for id in self.catalog.keys() {
            self.first_seen.entry(id.to_string()).or_insert(self.now);
        }
        let known: Vec<&Record> =
            self.catalog.values().filter(|record| record.settings_generation == 1).collect();
        assert_eq!(known.len(), FLEET, "{what}: nobody is forgotten, with its settings");
        for record in known {
            let gone = record.presence != Presence::Present
                || !record.facts.active
                || record.facts.team_id.as_str() != "stups";
            let name = record.id.to_string();
            if gone {
                self.ended.entry(name).or_insert(self.now);
            } else {
                self.ended.remove(&name);
            }
        }
        let today = self.ended.values().filter(|since| self.now.since(**since) < DAY).count() as u64;
        let settled = self.first_seen.values().filter(|since| self.now.since(**since) >= DAY).count() as u64;
        let allowed = Budget::default().of(settled);
        assert!(today <= allowed, "{what}: {today} ended within a day, {allowed} may");
    }
}

#[test]
fn ten_thousand_answers_of_every_kind_take_away_no_more_than_the_budget() {
    let seed = std::env::var("MINT_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("MINT_SEED={seed}");
    let mut registry = Registry {
        entropy: SeededEntropy::new(seed),
        now: Timestamp::from_unix_micros(1_800_000_000_000_000),
        catalog: Snapshot::new(),
        ended: BTreeMap::new(),
        revision: 1,
        first_seen: BTreeMap::new(),
    };
    let all = Value::Array((0..FLEET).map(truth).collect()).to_string();
    let nobody = Allowance::of(&Snapshot::new(), &[], registry.now);
    let listing = parse::list(all.as_bytes()).unwrap();
    let plan = plan::changes(&Snapshot::new(), &listing, &BTreeMap::new(), &nobody, registry.now);
    for change in &plan.changes {
        let record = change.applied(None, registry.now).unwrap();
        registry.catalog.insert(record.id.clone(), Record { settings_generation: 1, ..record });
    }
    registry.check("the first answer");
    let (mut believed, mut refused) = (0, 0);
    for number in 0..ANSWERS {
        let pause = registry.entropy.below(2 * 3600);
        registry.now = registry.now.plus(Duration::from_secs(pause));
        match registry.read() {
            Ok(()) => believed += 1,
            Err(_) => refused += 1,
        }
        registry.check(&format!("seed {seed}, answer {number}"));
    }
    println!("{believed} answers believed, {refused} not, or not wholly");
    assert!(believed > 0 && refused > ANSWERS / 2, "both happen");
}
