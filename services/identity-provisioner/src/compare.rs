//! What is at the issuer against what is known here and what the catalog has. Pure.

use std::collections::{BTreeMap, BTreeSet};

use mint_types::{Application, ApplicationId, Presence};

use crate::model::{Known, Naming, Stage};

/// What is known here, by application.
pub type Identities = BTreeMap<ApplicationId, Known>;

/// Users and applications that do not fit together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misfits {
    /// Users under our prefix that belong to no application.
    pub orphans: Vec<String>,
    /// Enabled identities whose user the list does not have.
    pub vanished: Vec<ApplicationId>,
}

/// Finds users without an application, and applications whose user is gone. With an empty prefix every user of the
/// issuer would be ours, so then nobody is an orphan.
pub fn misfits(
    users: &BTreeSet<String>,
    identities: &Identities,
    catalog: &BTreeSet<ApplicationId>,
    naming: &Naming,
) -> Misfits {
    let is_orphan = |username: &&String| match naming.application(username) {
        Some(application) => match identities.get(&application) {
            Some(known) => known.is_surely(Stage::Deleted),
            None => !catalog.contains(&application),
        },
        None => naming.is_ours(username),
    };
    let is_vanished = |(_, known): &(&ApplicationId, &Known)| {
        known.is_surely(Stage::Enabled) && known.vanished_at.is_none() && !users.contains(&known.username)
    };
    Misfits {
        orphans: users.iter().filter(is_orphan).cloned().collect(),
        vanished: identities.iter().filter(is_vanished).map(|(id, _)| id.clone()).collect(),
    }
}

/// What taking over would do to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// Mint made or took over its user already.
    Own,
    /// Its user exists and is taken over as foreign.
    Foreign,
    /// It has no user: one is made.
    Missing,
    /// It is not in use: nothing is done.
    NotInUse,
}

/// What taking over would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportPlan {
    /// By application, with the user's name.
    pub steps: Vec<(ApplicationId, String, Import)>,
    /// Users under our prefix without an application.
    pub strangers: Vec<String>,
    /// Users without our prefix.
    pub others: u64,
}

/// Plans to take over: what [`crate::plan::ensure`] would find for each application.
pub fn import(
    users: &BTreeSet<String>,
    identities: &Identities,
    catalog: &[Application],
    naming: &Naming,
) -> ImportPlan {
    let step = |application: &Application| {
        let username = naming.username(&application.id);
        let known = identities.get(&application.id);
        let import = if !application.active || application.presence != Presence::Present {
            Import::NotInUse
        } else if known.is_some_and(|known| !known.is_surely(Stage::Deleted)) {
            Import::Own
        } else if users.contains(&username) {
            Import::Foreign
        } else {
            Import::Missing
        };
        (application.id.clone(), username, import)
    };
    let known: BTreeSet<ApplicationId> = catalog.iter().map(|application| application.id.clone()).collect();
    let others = users.iter().filter(|username| !naming.is_ours(username)).count();
    ImportPlan {
        steps: catalog.iter().map(step).collect(),
        strangers: misfits(users, identities, &known, naming).orphans,
        others: u64::try_from(others).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{application, naming},
        plan::tests::known,
    };

    fn id(text: &str) -> ApplicationId {
        text.parse().unwrap()
    }

    fn users(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn own(name: &str, stage: Stage) -> (ApplicationId, Known) {
        (id(name), Known { username: format!("stups_{name}"), stage, ..known() })
    }

    #[test]
    fn a_user_without_an_application_is_an_orphan_and_an_application_without_its_user_is_told() {
        let identities: Identities = [
            own("kio", Stage::Enabled),
            own("gone", Stage::Enabled),
            own("off", Stage::Disabled),
            own("dead", Stage::Deleted),
        ]
        .into();
        let at_issuer =
            users(&["stups_kio", "stups_stray", "stups_No-Id", "stups_new", "stups_dead", "human"]);
        let catalog = [id("kio"), id("gone"), id("new"), id("dead")].into();
        let found = misfits(&at_issuer, &identities, &catalog, &naming());
        assert_eq!(found.orphans, ["stups_No-Id", "stups_dead", "stups_stray"]);
        assert_eq!(found.vanished, [id("gone")]);
        let everybody = Naming { username_prefix: String::new(), ..naming() };
        assert_eq!(misfits(&at_issuer, &Identities::new(), &catalog, &everybody).orphans, [""; 0]);
    }

    #[test]
    fn an_import_says_what_would_happen_to_each_application() {
        let identities: Identities = [own("kio", Stage::Enabled)].into();
        let retired = Application { active: false, ..application("old", &[]) };
        let catalog = [application("kio", &[]), application("run", &[]), application("new", &[]), retired];
        let at_issuer = users(&["stups_kio", "stups_run", "stups_old", "stups_stray", "human"]);
        let plan = import(&at_issuer, &identities, &catalog, &naming());
        let steps: Vec<_> = plan.steps.iter().map(|(id, _, import)| (id.as_str(), *import)).collect();
        let expected = [
            ("kio", Import::Own),
            ("run", Import::Foreign),
            ("new", Import::Missing),
            ("old", Import::NotInUse),
        ];
        assert_eq!(steps, expected);
        assert_eq!((plan.strangers, plan.others), (vec!["stups_stray".to_owned()], 1));
    }
}
