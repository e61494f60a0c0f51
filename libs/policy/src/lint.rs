//! What is wrong with a policy document although IAM takes it.

mod grants;
mod trust;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::Error;
use crate::document::{Document, Kind, Statement};

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A trust uses session tags and does not allow `sts:TagSession`.
    TagSessionMissing,
    /// A guard compares with the empty text, which an absent key passes.
    EmptyTextGuard,
    /// `s3:ListBucket` and `s3:GetObject` stand in one statement.
    ListAndGetTogether,
    /// An `Allow` by `NotAction`, `NotResource`, `NotPrincipal`, for everything or for everybody.
    BroadGrant,
    /// A trust lets somebody in without a session tag, beside those who need one.
    UntaggedPrincipal,
    /// A prefix that the name of another directory begins with, too.
    SlashMissing,
    /// Whoever writes may read.
    WriterReads,
    /// An action with a wildcard.
    WildcardAction,
    /// A web identity trust takes every subject of the provider.
    SubjectNotPinned,
    /// A web identity trust takes tokens that were made for somebody else.
    AudienceNotPinned,
}

impl Code {
    /// Every code, in the order in which the issue names them.
    pub const ALL: [Self; 10] = [
        Self::TagSessionMissing,
        Self::EmptyTextGuard,
        Self::ListAndGetTogether,
        Self::BroadGrant,
        Self::UntaggedPrincipal,
        Self::SlashMissing,
        Self::WriterReads,
        Self::WildcardAction,
        Self::SubjectNotPinned,
        Self::AudienceNotPinned,
    ];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TagSessionMissing => "TAG_SESSION_MISSING",
            Self::EmptyTextGuard => "EMPTY_TEXT_GUARD",
            Self::ListAndGetTogether => "LIST_AND_GET_TOGETHER",
            Self::BroadGrant => "BROAD_GRANT",
            Self::UntaggedPrincipal => "UNTAGGED_PRINCIPAL",
            Self::SlashMissing => "SLASH_MISSING",
            Self::WriterReads => "WRITER_READS",
            Self::WildcardAction => "WILDCARD_ACTION",
            Self::SubjectNotPinned => "SUBJECT_NOT_PINNED",
            Self::AudienceNotPinned => "AUDIENCE_NOT_PINNED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is found in one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its `Sid`, or its place, counted from 0.
    pub statement: String,
    /// What it is.
    pub code: Code,
    /// What it means and what to do: one line.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statement, code, sentence } = self;
        write!(f, "statement {statement}: {code}: {sentence}")
    }
}

impl Finding {
    fn new(statement: &Statement, code: Code, sentence: impl Into<String>) -> Self {
        // a text of the document must not break the line
        let sentence =
            sentence.into().chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        Self { statement: statement.name.clone(), code, sentence }
    }
}

/// Reads a policy document and says what is wrong with it, statement by statement; empty when nothing is.
///
/// # Errors
/// [`Error::Document`] for a text that is not wholly understood as a policy document.
pub fn lint(text: &str) -> Result<Vec<Finding>, Error> {
    let document = Document::parse(text)?;
    let mut findings = Vec::new();
    for statement in &document.statements {
        findings.extend(grants::empty_guards(statement));
        if statement.allows {
            findings.extend(grants::of_statement(&document, statement));
        }
        if statement.allows && document.kind == Kind::Trust {
            findings.extend(trust::of_statement(&document, statement));
        }
    }
    findings.extend(grants::writers_that_read(&document));
    Ok(findings)
}
