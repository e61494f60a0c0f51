//! The checked-in table of decisions, and what must hold for every policy.
//!
//! Each row's expected value follows from the IAM User Guide ("Policy evaluation logic", "IAM JSON policy elements",
//! "Condition operators", "Set operators for multivalued context keys", "Variables and tags") and not from this code.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a table that cannot be read must fail its test")]

use std::collections::BTreeSet;

use mint_permissions::{Caller, Context, Decision, Error, Policy, Request, decide};
use proptest::prelude::*;
use serde_json::{Value, json};

const TABLE: &str = include_str!("decisions.json");

/// What a row may expect; `refused` says that a document cannot be read.
fn decided(row: &Value) -> &'static str {
    let policies: Result<Vec<Policy>, Error> =
        row["policies"].as_array().unwrap().iter().map(policy).collect();
    let Ok(policies) = policies else { return "refused" };
    match decide(&policies, &request(&row["request"])) {
        Decision::Allow => "allow",
        Decision::ExplicitDeny => "explicit_deny",
        Decision::ImplicitDeny => "implicit_deny",
    }
}

fn policy(attached: &Value) -> Result<Policy, Error> {
    let (attachment, document) = attached.as_object().unwrap().iter().next().unwrap();
    let text = document.to_string();
    match attachment.as_str() {
        "identity" => Policy::identity(&text),
        "resource" => Policy::resource(&text),
        "trust" => Policy::trust(&text),
        other => panic!("{other}"),
    }
}

fn request(row: &Value) -> Request {
    let mut context = Context::default();
    for (key, value) in row["context"].as_object().unwrap() {
        match value {
            Value::String(one) => context.insert(key, one.clone()),
            many => context
                .insert_all(key, many.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned())),
        }
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Request {
        caller: caller(&row["caller"]),
        action: text(&row["action"]),
        resource: text(&row["resource"]),
        context,
    }
}

fn caller(row: &Value) -> Caller {
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    if row == "anonymous" {
        return Caller::Anonymous;
    }
    if let Some(provider) = text("federated") {
        return Caller::Federated(provider);
    }
    if let Some(service) = text("service") {
        return Caller::Service(service);
    }
    Caller::Aws { arn: text("aws").unwrap(), account: text("account").unwrap(), role: text("role") }
}

#[test]
fn the_checked_in_table_of_decisions_holds() {
    let table: Vec<Value> = serde_json::from_str(TABLE).unwrap();
    let names: BTreeSet<&str> = table.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), table.len(), "each row has a name of its own");
    let understood = table.iter().filter(|row| row["expected"] != "refused").count();
    assert!(understood >= 150, "{understood} decisions");
    let wrong: Vec<String> = table
        .iter()
        .map(|row| (row, decided(row)))
        .filter(|(row, decided)| row["expected"] != *decided)
        .map(|(row, decided)| format!("{}: expected {}, decided {decided}", row["name"], row["expected"]))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn an_unknown_element_is_refused_by_name() {
    let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "When": 1}]}"#;
    let refused = Policy::identity(document).unwrap_err();
    assert_eq!(refused.to_string(), "Statement 0 has the unknown element \"When\"");
}

#[test]
fn an_unknown_operator_is_refused_by_name() {
    let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"StringIs": {"a:b": "c"}}}]}"#;
    assert_eq!(Policy::identity(document), Err(Error::UnknownOperator("StringIs".to_owned())));
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let document = r#"{"Version": "2012-10-17", "Statement": [], "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
    assert!(matches!(Policy::identity(document), Err(Error::Json(_))));
}

/// Statements out of a small world, so that they meet requests of the same world often.
fn statements() -> impl Strategy<Value = Vec<Value>> {
    let effect = prop_oneof![Just("Allow"), Just("Deny")];
    let action = prop_oneof![Just("*"), Just("s3:*"), Just("s3:GetObject"), Just("s3:Put*")];
    let resource = prop_oneof![
        Just("*"),
        Just("arn:aws:s3:::a/*"),
        Just("arn:aws:s3:::a/b/*"),
        Just("arn:aws:s3:::b/*")
    ];
    let condition = prop_oneof![
        Just(json!({})),
        Just(json!({"StringEquals": {"k:x": "1"}})),
        Just(json!({"StringNotEquals": {"k:x": "1"}})),
        Just(json!({"ForAllValues:StringLike": {"k:x": "1*"}})),
    ];
    let statement = (effect, action, resource, condition).prop_map(|(effect, action, resource, condition)| {
        json!({"Effect": effect, "Action": action, "Resource": resource, "Condition": condition})
    });
    prop::collection::vec(statement, 0..6)
}

fn requests() -> impl Strategy<Value = Request> {
    let action = prop_oneof![Just("s3:GetObject"), Just("s3:PutObject"), Just("sts:AssumeRole")];
    let resource =
        prop_oneof![Just("arn:aws:s3:::a/b/c"), Just("arn:aws:s3:::a/x"), Just("arn:aws:s3:::b/x")];
    let value = prop_oneof![Just(None), Just(Some("1")), Just(Some("12")), Just(Some("2"))];
    (action, resource, value).prop_map(|(action, resource, value)| Request {
        caller: Caller::role_session("111111111111", "reader", "s"),
        action: action.to_owned(),
        resource: resource.to_owned(),
        context: value.map(|value| ("k:x", value)).into_iter().collect(),
    })
}

fn identity(statements: &[Value]) -> Policy {
    Policy::identity(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap()
}

proptest! {
    #[test]
    fn an_explicit_deny_wins_over_every_allow(statements in statements(), request in requests()) {
        let deny_all = identity(&[json!({"Effect": "Deny", "Action": "*", "Resource": "*"})]);
        let policies = [identity(&statements), deny_all];
        prop_assert_eq!(decide(&policies, &request), Decision::ExplicitDeny);
    }

    #[test]
    fn an_allow_more_never_takes_a_permission_away(statements in statements(), request in requests()) {
        let allow_all = identity(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*"})]);
        let before = decide([&identity(&statements)], &request);
        let after = decide([&identity(&statements), &allow_all], &request);
        let expected = if before == Decision::ExplicitDeny { before } else { Decision::Allow };
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn neither_the_order_nor_the_grouping_of_statements_matters(statements in statements(), request in requests()) {
        let together = decide([&identity(&statements)], &request);
        let apart: Vec<Policy> = statements.iter().rev().map(|one| identity(std::slice::from_ref(one))).collect();
        prop_assert_eq!(decide(&apart, &request), together);
    }

    #[test]
    fn nothing_is_allowed_that_no_statement_allows(statements in statements(), request in requests()) {
        let denies: Vec<Value> = statements.into_iter().filter(|one| one["Effect"] == "Deny").collect();
        prop_assert_ne!(decide([&identity(&denies)], &request), Decision::Allow);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        Policy::identity(&text).ok();
        Policy::resource(&text).ok();
        Policy::trust(&text).ok();
    }
}
