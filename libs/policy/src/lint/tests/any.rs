//! Documents that nobody would write.

use serde_json::{Value, json};

use super::*;
use crate::document::ELEMENTS;

/// Numbers that look random and are the same in every run (a linear congruence, Knuth's MMIX).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn text(&mut self) -> String {
        let pieces: &[&str] = &[
            "*",
            "?",
            "s3:",
            "sts:",
            "GetObject",
            "PutObject",
            "AssumeRole",
            "WithWebIdentity",
            "TagSession",
            "arn:aws:s3:::",
            "team/",
            "abc",
            "/",
            ":",
            "${",
            "}",
            "<prefix>",
            "ä",
            "\u{0}",
            "\n",
            "",
            "oidc-provider/",
            "aws:RequestTag/",
            "kms:Decrypt",
            "NotAction",
        ];
        (0..self.below(5)).map(|_| self.one(pieces)).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(100)),
            3 | 4 => json!(self.text()),
            5 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => (0..self.below(4))
                .map(|_| (self.text(), self.value(depth - 1)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    fn statement(&mut self) -> Value {
        let mut statement = json!({"Effect": self.one(&["Allow", "Deny"])});
        for &element in ELEMENTS {
            let written = match (element, self.below(4)) {
                (_, 0) | ("Effect", _) => continue,
                ("Action" | "NotAction", _) => json!([format!("s3:{}", self.text()), "sts:AssumeRole*"]),
                ("Principal", _) => json!({self.one(&["AWS", "Federated", "Service"]): self.text()}),
                ("Condition", _) => {
                    json!({self.one(&["Null", "StringLike", "StringNotEquals"]): {self.text(): [self.text(), true, 1]}})
                }
                (_, 1) => self.value(2),
                _ => json!(self.text()),
            };
            statement[element] = written;
        }
        // each pair excludes itself most of the time
        for (one, other) in
            [("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")]
        {
            if self.below(8) > 0 {
                let gone = if self.below(2) == 0 { one } else { other };
                statement.as_object_mut().unwrap().remove(gone);
            }
        }
        statement
    }
}

#[test]
fn no_document_whatever_is_in_it_makes_lint_panic() {
    let mut seeded = Seeded(20_261_122);
    let (mut read, mut found) = (0, 0);
    for round in 0..4_000 {
        let document = if round % 4 == 0 {
            seeded.value(4)
        } else {
            let statements: Vec<Value> = (0..seeded.below(4)).map(|_| seeded.statement()).collect();
            policy(json!(statements))
        };
        let mut text = document.to_string();
        if round % 7 == 0 {
            let cut = seeded.below(text.chars().count() + 1);
            text = text.chars().take(cut).collect();
        }
        if let Ok(findings) = lint(&text) {
            read += 1;
            found += findings.len();
            assert!(findings.iter().all(|finding| !finding.to_string().contains('\n')), "{text}");
        }
    }
    assert!(read > 300 && found > 100, "the documents reach the rules: {read} read, {found} found");
}
