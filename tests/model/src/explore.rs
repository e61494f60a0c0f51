//! Exhaustive exploration, by stateright.

use std::time::Duration;

use mint_invariants::Invariant;
use stateright::{Checker as _, HasDiscoveries, Model, Property};

use crate::fleet::EmptyRegistry;
use crate::judge;
use crate::world::{Action, Mint, World};

impl Model for Mint {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.begin()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(self.progress(world));
        actions.extend(self.faults(world));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.after(world, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn holds(world: &World, invariant: Invariant) -> bool {
            world.broken.as_ref().is_none_or(|violation| violation.invariant != invariant)
        }
        vec![
            Property::always("I1", |_, world| holds(world, Invariant::NeverBroken)),
            Property::always("I2", |_, world| holds(world, Invariant::NothingLost)),
            Property::always("I3", |_, world| holds(world, Invariant::OneAtATime)),
            Property::always("I5", |_, world| holds(world, Invariant::SaidBeforeDone)),
            Property::always(CONVERGES, |model: &Self, world: &World| {
                world.broken.is_some()
                    || model.bounds.may_delay
                    || model.can_move(world)
                    || judge::rests_well(model, world)
            }),
            Property::sometimes(DONE, judge::rests_well),
        ]
    }
}

const CONVERGES: &str = "converges";
const DONE: &str = "a rest is reached";

/// What an exploration showed.
#[derive(Debug, Clone)]
pub struct Explored {
    /// States that differ.
    pub states: usize,
    /// The longest path.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// What was violated first, with the way there.
    pub violations: Vec<(String, String)>,
}

/// Explores a configuration on so many threads, up to the first violation.
pub fn explore(model: Mint, threads: usize) -> Explored {
    search(model, threads, |world| world.broken.as_ref().map(ToString::to_string))
}

/// Explores what becomes of a fleet when the registry empties.
pub fn explore_fleet(threads: usize) -> Explored {
    let configuration = crate::bounds::configurations().swap_remove(0);
    let model = EmptyRegistry::new(&crate::desk::of(&configuration));
    search(model, threads, |fleet| fleet.violation().map(|violation| violation.to_string()))
}

fn search<M>(model: M, threads: usize, violation: fn(&M::State) -> Option<String>) -> Explored
where
    M: Model + Send + Sync + 'static,
    M::State: std::fmt::Debug + Clone + PartialEq + std::hash::Hash + Send + Sync + 'static,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "seconds for people: nothing depends on them")]
    let began = std::time::Instant::now();
    let must_rest = model.properties().iter().any(|property| property.name == DONE);
    let checker =
        model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let mut violations = Vec::new();
    let mut rests = false;
    for (property, path) in checker.discoveries() {
        if property == DONE {
            rests = true;
            continue;
        }
        let what = violation(path.last_state());
        let what = what.unwrap_or_else(|| "nothing moves, and not everything rests as it should".to_owned());
        let way: Vec<String> = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
        violations.push((format!("{property}: {what}"), way.join("\n    ")));
    }
    if violations.is_empty() && must_rest && !rests {
        violations.push((format!("{CONVERGES}: no path comes to rest"), String::new()));
    }
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    Explored { states, depth, took: began.elapsed(), violations }
}
