//! I6: a registry that says of every application that it is retired, and coordinators that ask for everything at once.
//! The provisioner decides by its own `plan` and `budget`; only the issuer, the books' rows and the days are modelled.

use std::time::Duration;

use mint_coordinator::Desk;
use mint_identity_provisioner::budget::{Charge, Spent, charge};
use mint_identity_provisioner::model::{Known, Stage};
use mint_identity_provisioner::plan::{self, Step};
use mint_invariants::{Removal, Taking, Violation, no_mass_death};
use mint_types::{Application, ApplicationId, Budget, Revision, Timestamp};
use stateright::{Model, Property};

use crate::bounds::BEGIN;

/// Applications.
const FLEET: usize = 20;
/// Days that are looked at: two in a row, and those around the end of the tombstone period.
const DAYS: [u8; 5] = [0, 1, 6, 7, 8];
const DAY: Duration = Duration::from_hours(24);
const TOMBSTONE: Duration = Duration::from_hours(7 * 24);

/// One application as the provisioner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    known: Known,
    /// The days on which the books were charged for it.
    paid: Option<u8>,
    /// The days on which something was taken from it.
    taken: Vec<u8>,
    /// From where and after how long it was deleted.
    deleted: Option<(Stage, Duration)>,
}

/// The whole fleet, in an order of its own: applications are alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fleet {
    day: u8,
    crashes: u8,
    members: Vec<Member>,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Disable is asked for, and done.
    Disable(usize),
    /// Disable is begun, done at the issuer, and the process dies.
    DisableAndDie(usize),
    /// Delete is asked for, and done.
    Delete(usize),
    /// The next day.
    Sleep,
}

/// The model.
#[derive(Debug)]
pub struct EmptyRegistry {
    record: Application,
}

impl EmptyRegistry {
    /// By the record of some application.
    pub fn new(desk: &Desk) -> Self {
        Self { record: Application { active: false, ..desk.record.clone() } }
    }

    fn take(&self, fleet: &mut Fleet, index: usize, to: Stage, dies: bool) -> bool {
        let now = at(fleet.day);
        let member = &fleet.members[index];
        let step = match to {
            Stage::Deleted => plan::delete(Some(&member.known), &self.record, now, TOMBSTONE),
            Stage::None | Stage::Enabled | Stage::Disabled => {
                plan::disable(Some(&member.known), &self.record)
            }
        };
        let Ok(Step::Act { takes: Some(_) }) = step else { return false };
        let paid = |(number, member): (usize, &Member)| {
            (member.paid == Some(fleet.day)).then(|| Spent { subject: number.to_string(), release: None })
        };
        let books: Vec<Spent> = fleet.members.iter().enumerate().filter_map(paid).collect();
        let size = fleet.members.iter().filter(|member| member.known.stage != Stage::Deleted).count();
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let day = fleet.day;
        let member = &mut fleet.members[index];
        match charge(&index.to_string(), &books, &[], Budget::default(), size) {
            Ok(Charge::Paid | Charge::Release(_)) => {}
            Ok(Charge::Budget) => member.paid = Some(day),
            Err(_) => return false,
        }
        member.known.intended = Some(to);
        if !member.taken.contains(&day) {
            member.taken.push(day);
        }
        if to == Stage::Deleted {
            let since = member.known.disabled_at.map_or(Duration::ZERO, |since| now.since(since));
            member.deleted = Some((member.known.stage, since));
        }
        if !dies {
            member.known.intended = None;
            member.known.stage = to;
            member.known.disabled_at = (to == Stage::Disabled).then_some(now);
        }
        true
    }
}

fn at(day: u8) -> Timestamp {
    BEGIN.plus(DAY * u32::from(day))
}

fn stage(stage: Stage) -> mint_invariants::Stage {
    match stage {
        Stage::None | Stage::Enabled => mint_invariants::Stage::Enabled,
        Stage::Disabled => mint_invariants::Stage::Disabled,
        Stage::Deleted => mint_invariants::Stage::Deleted,
    }
}

fn name(number: usize) -> Option<ApplicationId> {
    format!("app-{number}").parse().ok()
}

impl Fleet {
    /// What of I6 it breaks.
    pub fn violation(&self) -> Option<Violation> {
        let mut takings = Vec::new();
        let mut removals = Vec::new();
        for (number, member) in self.members.iter().enumerate() {
            let Some(application) = name(number) else { continue };
            let taking =
                |day: &u8| Taking { application: application.clone(), at: at(*day), released: false };
            takings.extend(member.taken.iter().map(taking));
            removals.extend(member.deleted.map(|(from, after)| Removal {
                application: application.clone(),
                from: stage(from),
                to: mint_invariants::Stage::Deleted,
                after,
                tombstone: TOMBSTONE,
            }));
        }
        let size = u64::try_from(self.members.len()).unwrap_or(u64::MAX);
        no_mass_death(Budget::default(), size, &takings, &removals).err()
    }
}

impl Model for EmptyRegistry {
    type State = Fleet;
    type Action = Order;

    fn init_states(&self) -> Vec<Fleet> {
        let known = Known {
            username: "shop".to_owned(),
            client_id: Some("client".to_owned()),
            stage: Stage::Enabled,
            intended: None,
            foreign: false,
            applied: Revision(1),
            scopes: Vec::new(),
            settled: true,
            changed_at: BEGIN,
            disabled_at: None,
            vanished_at: None,
            released: false,
            incarnation: 0,
        };
        let member = Member { known, paid: None, taken: Vec::new(), deleted: None };
        vec![Fleet { day: 0, crashes: 2, members: vec![member; FLEET] }]
    }

    fn actions(&self, fleet: &Fleet, orders: &mut Vec<Order>) {
        if fleet.violation().is_some() {
            return;
        }
        for (index, member) in fleet.members.iter().enumerate() {
            // of those that are alike the first one stands for all
            if index > 0 && fleet.members[index - 1] == *member {
                continue;
            }
            orders.extend([Order::Disable(index), Order::Delete(index)]);
            if fleet.crashes > 0 {
                orders.push(Order::DisableAndDie(index));
            }
        }
        if fleet.day < DAYS[DAYS.len() - 1] {
            orders.push(Order::Sleep);
        }
    }

    fn next_state(&self, fleet: &Fleet, order: Order) -> Option<Fleet> {
        let mut next = fleet.clone();
        let happened = match order {
            Order::Disable(index) => self.take(&mut next, index, Stage::Disabled, false),
            Order::DisableAndDie(index) => {
                next.crashes -= 1;
                self.take(&mut next, index, Stage::Disabled, true)
            }
            Order::Delete(index) => self.take(&mut next, index, Stage::Deleted, false),
            Order::Sleep => {
                let later = DAYS.iter().copied().find(|day| *day > fleet.day);
                next.day = later.unwrap_or(fleet.day);
                // what was taken on another day is counted no more
                for member in &mut next.members {
                    member.paid = None;
                    member.taken.clear();
                    member.deleted = None;
                }
                later.is_some()
            }
        };
        next.members.sort_by_key(|member| {
            let known = &member.known;
            let intended = known.intended.map(Stage::as_str);
            (known.stage.as_str(), intended, known.disabled_at, member.paid, member.taken.clone())
        });
        happened.then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("I6", |_, fleet: &Fleet| fleet.violation().is_none())]
    }
}
