//! Connections and calls in flight: so many in all, fewer for those who are many, and a share for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mint_types::Principal;

/// Of the places, so many are never taken by applications: operators, teams and services get through whatever a fleet of
/// agents does.
const RESERVED: usize = 4;
/// One principal that is no service has at most so many of the places.
const SHARE: usize = 8;

/// Places for connections, or for calls of one sort.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_applications: usize,
    by: BTreeMap<String, usize>,
}

/// A place that is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    whose: Principal,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A place, if there is one for this principal now: nobody waits, because a queue would only make calls late.
    pub(super) fn take(self: &Arc<Self>, whose: &Principal) -> Option<Place> {
        let mut taken = self.taken();
        let of_applications = self.most - self.most / RESERVED;
        let is_application = matches!(whose, Principal::Application(_));
        let is_service = matches!(whose, Principal::Service(_));
        let own = taken.by.get(&whose.to_string()).copied().unwrap_or_default();
        let is_full = taken.all >= self.most
            || (is_application && taken.by_applications >= of_applications)
            || (!is_service && own >= self.most / SHARE);
        if is_full {
            return None;
        }
        taken.all += 1;
        taken.by_applications += usize::from(is_application);
        *taken.by.entry(whose.to_string()).or_default() += 1;
        Some(Place { places: Arc::clone(self), whose: whose.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        taken.by_applications -= usize::from(matches!(self.whose, Principal::Application(_)));
        let name = self.whose.to_string();
        let own = taken.by.get(&name).copied().unwrap_or_default();
        if own > 1 {
            taken.by.insert(name, own - 1);
        } else {
            taken.by.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(name: &str) -> Principal {
        Principal::Application(name.parse().unwrap())
    }

    fn all_of(places: &Arc<Places>, whose: &Principal) -> Vec<Place> {
        std::iter::from_fn(|| places.take(whose)).collect()
    }

    #[test]
    fn one_application_has_its_share_and_gets_it_back() {
        let places = Places::new(64);
        let held = all_of(&places, &application("greedy"));
        assert_eq!(held.len(), 8);
        assert!(places.take(&application("modest")).is_some());
        drop(held);
        assert_eq!(all_of(&places, &application("greedy")).len(), 8);
        assert!(places.taken().by.is_empty(), "who holds nothing is forgotten");
    }

    #[test]
    fn a_fleet_of_applications_leaves_room_for_operators_and_services() {
        let places = Places::new(64);
        let held: Vec<Place> =
            (0..64).flat_map(|number| all_of(&places, &application(&format!("app-{number}")))).collect();
        assert_eq!(held.len(), 48);
        assert!(places.take(&Principal::Operator("ada".to_owned())).is_some());
        let service = Principal::Service(mint_types::ServiceName::Coordinator);
        assert_eq!(all_of(&places, &service).len(), 16);
    }

    #[test]
    fn a_service_may_have_every_place() {
        let places = Places::new(64);
        let service = Principal::Service(mint_types::ServiceName::Coordinator);
        assert_eq!(all_of(&places, &service).len(), 64);
    }
}
