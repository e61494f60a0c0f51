//! The model of a policy document.

use crate::condition::Condition;
use crate::decide::{Context, Request};
use crate::pattern::{ArnPattern, Match, Pattern};
use crate::principal::PrincipalPattern;

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// A policy document that was wholly understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub(crate) statements: Vec<Statement>,
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    /// None in an identity policy: it speaks of whom it is attached to.
    pub(crate) principals: Option<Vec<PrincipalPattern>>,
    pub(crate) actions: Listed<Pattern>,
    /// None in a trust policy: it speaks of the role that carries it.
    pub(crate) resources: Option<Listed<ArnPattern>>,
    pub(crate) conditions: Vec<Condition>,
    /// The condition block as it was written, for the matrix.
    pub(crate) written_condition: Option<String>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`, with the texts as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed<P> {
    pub(crate) inverted: bool,
    pub(crate) patterns: Vec<P>,
    pub(crate) written: Vec<String>,
}

impl Policy {
    /// In the order in which they are written.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

impl Statement {
    /// Whether it allows or denies.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    pub(crate) fn applies(&self, request: &Request) -> bool {
        let principal = self
            .principals
            .as_ref()
            .is_none_or(|all| all.iter().any(|pattern| pattern.matches(&request.caller)));
        principal
            && self.names_action(&request.action)
            && self.names_resource(&request.resource, &request.context)
            && self.conditions.iter().all(|condition| condition.holds(&request.context, self.effect))
    }

    /// Actions are compared without regard to case, as AWS does.
    pub(crate) fn names_action(&self, action: &str) -> bool {
        let none = Context::default();
        let named =
            self.actions.patterns.iter().any(|pattern| pattern.matches(action, &none, true) == Match::Yes);
        named != self.actions.inverted
    }

    fn names_resource(&self, resource: &str, context: &Context) -> bool {
        let Some(listed) = &self.resources else { return true };
        let matches: Vec<Match> =
            listed.patterns.iter().map(|pattern| pattern.matches(resource, context)).collect();
        if !listed.inverted {
            return matches.contains(&Match::Yes);
        }
        match self.effect {
            Effect::Allow => matches.iter().all(|one| *one == Match::No),
            Effect::Deny => !matches.contains(&Match::Yes),
        }
    }
}
