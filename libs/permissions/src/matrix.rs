//! The permission matrix as a text: what a reviewer reads, and what a golden file holds.

use std::fmt::Write as _;

use crate::error::Error;
use crate::policy::{Effect, Policy, Statement};
use crate::rpc::RpcTable;

/// The files of one service. `rpc_json` is absent for a program that serves nothing.
#[derive(Debug, Clone, Copy)]
pub struct Row<'f> {
    /// The principal's name.
    pub service: &'f str,
    /// The text of its `aws.json`.
    pub aws_json: &'f str,
    /// The text of its `rpc.json`.
    pub rpc_json: Option<&'f str>,
}

/// Prints the matrix. Every file is parsed first: a file that cannot be read is no permission.
pub fn matrix(rows: &[Row<'_>]) -> Result<String, Error> {
    let mut text = String::from("# What each principal may do at AWS\n");
    for row in rows {
        let policy = Policy::identity(row.aws_json)?;
        text.push_str(&aws_lines(row.service, &policy));
    }
    text.push_str("\n# Who may call each gRPC method\n");
    for row in rows {
        let Some(rpc_json) = row.rpc_json else { continue };
        let _infallible = writeln!(text, "\n## {}", row.service);
        text.push_str(&rpc_lines(&RpcTable::parse(rpc_json)?));
    }
    Ok(text)
}

fn aws_lines(service: &str, policy: &Policy) -> String {
    if policy.statements().is_empty() {
        return format!("{service}: nothing\n");
    }
    let lines: Vec<String> =
        policy.statements().iter().map(|statement| format!("{service}: {}\n", aws_line(statement))).collect();
    lines.concat()
}

fn aws_line(statement: &Statement) -> String {
    let effect = match statement.effect() {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    };
    let inverted = |inverted: bool| if inverted { "all but " } else { "" };
    let mut line =
        format!("{effect} {}{}", inverted(statement.actions.inverted), statement.actions.written.join(", "));
    if let Some(resources) = &statement.resources {
        let _infallible =
            write!(line, " on {}{}", inverted(resources.inverted), resources.written.join(", "));
    }
    if let Some(condition) = &statement.written_condition {
        let _infallible = write!(line, " if {condition}");
    }
    line
}

fn rpc_lines(table: &RpcTable) -> String {
    let row = |(method, principals): (&str, &[crate::PrincipalPattern])| {
        let names: Vec<String> = principals.iter().map(ToString::to_string).collect();
        format!("{method}: {}\n", if names.is_empty() { "nobody".to_owned() } else { names.join(", ") })
    };
    table.rows().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_names_every_action_resource_and_caller() {
        let aws_json = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::<bucket>/<prefix>*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}"#;
        let rpc_json = r#"{"a.v1.S/M": ["service/rotator", "operator/*"], "a.v1.S/N": []}"#;
        let nothing = r#"{"Version": "2012-10-17", "Statement": []}"#;
        let rows = [
            Row { service: "distributor", aws_json, rpc_json: Some(rpc_json) },
            Row { service: "berry", aws_json: nothing, rpc_json: None },
        ];
        assert_eq!(
            matrix(&rows).unwrap(),
            "# What each principal may do at AWS\n\
             distributor: allow s3:PutObject on arn:aws:s3:::<bucket>/<prefix>* if \
             {\"Bool\":{\"aws:SecureTransport\":\"true\"}}\n\
             berry: nothing\n\
             \n# Who may call each gRPC method\n\
             \n## distributor\n\
             a.v1.S/M: service/rotator, operator/*\n\
             a.v1.S/N: nobody\n"
        );
    }
}
