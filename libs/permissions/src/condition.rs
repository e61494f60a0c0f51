//! Condition blocks: operators, their absent-key rules, and their evaluation.

use std::net::IpAddr;

use crate::decide::Context;
use crate::error::Error;
use crate::operand::{self, Network};
use crate::pattern::{ArnPattern, Match, Pattern, Syntax};
use crate::policy::Effect;

/// One line of a condition block: operator, key, and the values of which one must fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    operator: Operator,
    key: String,
    operands: Vec<Operand>,
}

/// An operator's name, taken apart: `ForAnyValue:StringNotLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    quantifier: Option<Quantifier>,
    test: Test,
    negated: bool,
    if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    ForAllValues,
    ForAnyValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Text { wildcards: bool, fold: bool },
    Number(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Text(Pattern),
    Number(f64),
    Instant(i64),
    Truth(bool),
    Bytes(String),
    Network(Network),
    Arn(ArnPattern),
}

impl Operator {
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownOperator(name.to_owned());
        let (quantifier, rest) = match name.split_once(':') {
            None => (None, name),
            Some(("ForAllValues", rest)) => (Some(Quantifier::ForAllValues), rest),
            Some(("ForAnyValue", rest)) => (Some(Quantifier::ForAnyValue), rest),
            Some(_) => return Err(unknown()),
        };
        let (base, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |base| (base, true));
        let (test, negated) = test_of(base).ok_or_else(unknown)?;
        // AWS: "You can add IfExists to the end of any condition operator name except the Null condition."
        if test == Test::Null && (if_exists || quantifier.is_some()) {
            return Err(unknown());
        }
        Ok(Self { quantifier, test, negated, if_exists })
    }
}

fn test_of(base: &str) -> Option<(Test, bool)> {
    let text = |wildcards, fold| Test::Text { wildcards, fold };
    Some(match base {
        "StringEquals" => (text(false, false), false),
        "StringNotEquals" => (text(false, false), true),
        "StringEqualsIgnoreCase" => (text(false, true), false),
        "StringNotEqualsIgnoreCase" => (text(false, true), true),
        "StringLike" => (text(true, false), false),
        "StringNotLike" => (text(true, false), true),
        "NumericEquals" => (Test::Number(Comparison::Equals), false),
        "NumericNotEquals" => (Test::Number(Comparison::Equals), true),
        "NumericLessThan" => (Test::Number(Comparison::Less), false),
        "NumericLessThanEquals" => (Test::Number(Comparison::LessOrEqual), false),
        "NumericGreaterThan" => (Test::Number(Comparison::Greater), false),
        "NumericGreaterThanEquals" => (Test::Number(Comparison::GreaterOrEqual), false),
        "DateEquals" => (Test::Date(Comparison::Equals), false),
        "DateNotEquals" => (Test::Date(Comparison::Equals), true),
        "DateLessThan" => (Test::Date(Comparison::Less), false),
        "DateLessThanEquals" => (Test::Date(Comparison::LessOrEqual), false),
        "DateGreaterThan" => (Test::Date(Comparison::Greater), false),
        "DateGreaterThanEquals" => (Test::Date(Comparison::GreaterOrEqual), false),
        "Bool" => (Test::Bool, false),
        "BinaryEquals" => (Test::Binary, false),
        "IpAddress" => (Test::Ip, false),
        "NotIpAddress" => (Test::Ip, true),
        // AWS: "ArnEquals and ArnLike behave identically."
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "Null" => (Test::Null, false),
        _ => return None,
    })
}

impl Condition {
    pub(crate) fn parse(
        place: &str,
        operator: Operator,
        key: &str,
        values: &[String],
        variables: bool,
    ) -> Result<Self, Error> {
        if !is_condition_key(key) {
            return Err(Error::malformed(place, key, "a condition key such as aws:SourceIp"));
        }
        let operands = values
            .iter()
            .map(|value| Operand::parse(place, operator.test, value, variables))
            .collect::<Result<_, _>>()?;
        Ok(Self { operator, key: key.to_owned(), operands })
    }

    /// Does the request meet this line? An unresolved variable fails closed for the statement's effect.
    pub(crate) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let values = context.values(&self.key);
        if self.operator.test == Test::Null {
            let absent = values.is_empty();
            return self.operands.contains(&Operand::Truth(absent));
        }
        let Operator { quantifier, negated, if_exists, .. } = self.operator;
        // A set operator sees no difference between an absent key and one that "resolves to a null dataset, such as
        // an empty string" (IAM User Guide, "Set operators for multivalued context keys").
        let absent =
            if quantifier.is_some() { values.iter().all(String::is_empty) } else { values.is_empty() };
        if absent {
            return if_exists
                || match quantifier {
                    None => negated,
                    Some(Quantifier::ForAllValues) => true,
                    Some(Quantifier::ForAnyValue) => false,
                };
        }
        let meets = |value: &String| self.meets(value, context, effect);
        match quantifier {
            Some(Quantifier::ForAllValues) => values.iter().all(meets),
            None if negated => values.iter().all(meets),
            Some(Quantifier::ForAnyValue) | None => values.iter().any(meets),
        }
    }

    /// One value of the request against all operands: any must fit, or, for a negated operator, none may.
    fn meets(&self, value: &str, context: &Context, effect: Effect) -> bool {
        let matches: Vec<Match> =
            self.operands.iter().map(|operand| self.operator.test.compare(operand, value, context)).collect();
        if !self.operator.negated {
            return matches.contains(&Match::Yes);
        }
        match effect {
            Effect::Allow => matches.iter().all(|one| *one == Match::No),
            Effect::Deny => !matches.contains(&Match::Yes),
        }
    }
}

impl Test {
    fn compare(self, operand: &Operand, value: &str, context: &Context) -> Match {
        match (self, operand) {
            (Self::Text { fold, .. }, Operand::Text(pattern)) => pattern.matches(value, context, fold),
            (Self::Number(comparison), Operand::Number(wanted)) => {
                operand::number(value).is_some_and(|found| comparison.holds(&found, wanted)).into()
            }
            (Self::Date(comparison), Operand::Instant(wanted)) => {
                operand::instant(value).is_some_and(|found| comparison.holds(&found, wanted)).into()
            }
            (Self::Bool, Operand::Truth(wanted)) => (operand::truth(value) == Some(*wanted)).into(),
            (Self::Binary, Operand::Bytes(wanted)) => (value == wanted).into(),
            (Self::Ip, Operand::Network(network)) => {
                value.parse::<IpAddr>().is_ok_and(|address| network.contains(address)).into()
            }
            (Self::Arn, Operand::Arn(pattern)) => pattern.matches(value, context),
            // `Operand::parse` pairs test and operand; a pair that it does not make matches nothing.
            _ => Match::No,
        }
    }
}

impl Comparison {
    fn holds<T: PartialOrd>(self, found: &T, wanted: &T) -> bool {
        match self {
            Self::Equals => found == wanted,
            Self::Less => found < wanted,
            Self::LessOrEqual => found <= wanted,
            Self::Greater => found > wanted,
            Self::GreaterOrEqual => found >= wanted,
        }
    }
}

impl Operand {
    fn parse(place: &str, test: Test, value: &str, variables: bool) -> Result<Self, Error> {
        let refuse = |expected| Error::malformed(place, value, expected);
        Ok(match test {
            Test::Text { wildcards, .. } => {
                Self::Text(Pattern::parse(place, value, Syntax { wildcards, variables })?)
            }
            Test::Number(_) => Self::Number(operand::number(value).ok_or_else(|| refuse("a number"))?),
            Test::Date(_) => {
                Self::Instant(operand::instant(value).ok_or_else(|| refuse("an ISO 8601 date"))?)
            }
            Test::Bool | Test::Null => {
                Self::Truth(operand::truth(value).ok_or_else(|| refuse("true or false"))?)
            }
            Test::Binary => Self::Bytes(value.to_owned()),
            Test::Ip => {
                Self::Network(Network::parse(value).ok_or_else(|| refuse("an address range (CIDR)"))?)
            }
            Test::Arn => Self::Arn(ArnPattern::parse(place, value, variables)?),
        })
    }
}

/// `aws:SourceIp`, `s3:prefix`, `aws:PrincipalTag/x`, `127.0.0.1:7000/platform:aud`.
fn is_condition_key(key: &str) -> bool {
    key.split_once(':').is_some_and(|(family, name)| !family.is_empty() && !name.is_empty())
        && !key.contains(['*', '?', '$', '<', '>'])
}
