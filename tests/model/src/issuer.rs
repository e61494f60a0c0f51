//! The issuer, by the rules of COMPAT section 3 and the other behaviours of DESIGN section 3.

use mint_issuer_contract::Ends;
use mint_types::{IssuerObject, Timestamp};

use crate::payload::{FOREIGN, Serial};

/// A secret that opens a door.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Door {
    /// Which one.
    pub serial: Serial,
    /// Of what.
    pub object: IssuerObject,
    /// When it closes, if it was told to.
    pub ends: Option<Timestamp>,
    /// Whether it was committed: a second commit changes nothing.
    committed: bool,
}

/// Everything that the issuer accepts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    doors: Vec<Door>,
    next: Serial,
}

impl Issuer {
    /// With or without what was in use before Mint came.
    pub fn new(foreign: bool) -> Self {
        let door = |object| Door { serial: FOREIGN, object, ends: None, committed: true };
        let doors =
            if foreign { vec![door(IssuerObject::User), door(IssuerObject::Client)] } else { Vec::new() };
        Self { doors, next: 1 }
    }

    /// Makes one more.
    pub fn create(&mut self, object: IssuerObject, ends: Ends, now: Timestamp) -> Serial {
        match ends {
            Ends::OwnCall | Ends::Commit { .. } | Ends::CommitAtOnce => {}
            Ends::Create { grace } => self.end_older(object, self.next, now.plus(grace)),
            Ends::Set => self.end_older(object, self.next, now),
        }
        let serial = self.next;
        self.next += 1;
        self.doors.push(Door { serial, object, ends: None, committed: false });
        serial
    }

    /// Commits, or ends what is older: a second time it changes nothing; what ended cannot be committed.
    pub fn commit(&mut self, object: IssuerObject, serial: Serial, ends: Ends, now: Timestamp) {
        let Some(door) = self.doors.iter_mut().find(|door| door.object == object && door.serial == serial)
        else {
            return;
        };
        if door.committed || door.ends.is_some() {
            return;
        }
        door.committed = true;
        match ends {
            Ends::Create { .. } | Ends::Set => {}
            Ends::OwnCall => self.end_older(object, serial, now),
            Ends::Commit { grace } => self.end_older(object, serial, now.plus(grace)),
            Ends::CommitAtOnce => {
                let others =
                    self.doors.iter_mut().filter(|door| door.object == object && door.serial != serial);
                others.for_each(|door| door.ends = Some(now));
            }
        }
    }

    /// Makes a value the only one: a second time it changes nothing.
    pub fn set(&mut self, object: IssuerObject, serial: Serial, now: Timestamp) {
        if self.accepts(object, serial, now) {
            return;
        }
        for door in self.doors.iter_mut().filter(|door| door.object == object && door.ends.is_none()) {
            door.ends = Some(now);
        }
        self.doors.push(Door { serial, object, ends: None, committed: true });
    }

    fn end_older(&mut self, object: IssuerObject, serial: Serial, at: Timestamp) {
        let older = self.doors.iter_mut().filter(|door| door.object == object && door.serial < serial);
        older.filter(|door| door.ends.is_none()).for_each(|door| door.ends = Some(at));
    }

    /// Whether it opens.
    pub fn accepts(&self, object: IssuerObject, serial: Serial, now: Timestamp) -> bool {
        let mut fitting = self.doors.iter().filter(|door| door.object == object && door.serial == serial);
        fitting.any(|door| door.ends.is_none_or(|ends| now < ends))
    }

    /// What opens and was not told to close.
    pub fn alive(&self) -> impl Iterator<Item = &Door> {
        self.doors.iter().filter(|door| door.ends.is_none())
    }

    /// When the next door closes.
    pub fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.doors.iter().filter_map(|door| door.ends).filter(|ends| now < *ends).min()
    }

    /// Forgets what is closed.
    pub fn forget(&mut self, now: Timestamp) {
        self.doors.retain(|door| door.ends.is_none_or(|ends| now < ends));
    }
}
