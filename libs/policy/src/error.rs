//! Why nothing is rendered, or a document is not looked at.

/// Why a configuration, a template or a document is refused. Every variant names the culprit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration is not TOML, has an unknown key or lacks one.
    #[error("the configuration is refused: {0}")]
    Toml(String),
    /// A value of the configuration is none that may stand in a policy.
    #[error("{key} = {value:?} is refused: it must be {expected}")]
    Value {
        /// Which key.
        key: String,
        /// What was written.
        value: String,
        /// What may be written.
        expected: &'static str,
    },
    /// Two parts of the configuration say different things, or one says too little.
    #[error("{0}")]
    Contradiction(String),
    /// A permission file has a placeholder that nothing fills.
    #[error("{file} has the placeholder <{placeholder}>, which nothing fills")]
    Placeholder {
        /// Which permission file.
        file: String,
        /// Its name without the brackets.
        placeholder: String,
    },
    /// What would be rendered is no policy that the evaluator of `libs/permissions` reads.
    #[error("{file} would be no policy: {reason}")]
    NotAPolicy {
        /// Which file of the rendering.
        file: String,
        /// What the evaluator says.
        reason: String,
    },
    /// What would be rendered is longer than AWS takes.
    #[error("{file} would have {length} characters, and AWS takes {limit}")]
    TooLong {
        /// Which file of the rendering.
        file: String,
        /// Characters without white space.
        length: usize,
        /// What AWS takes there.
        limit: usize,
    },
    /// A text that is not wholly understood as a policy document. It is never called clean.
    #[error("it is no policy document: {0}")]
    Document(String),
}

impl Error {
    /// A stable word for the kind of refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Toml(_) => "POLICY_CONFIGURATION",
            Self::Value { .. } => "POLICY_VALUE",
            Self::Contradiction(_) => "POLICY_CONTRADICTION",
            Self::Placeholder { .. } => "POLICY_PLACEHOLDER",
            Self::NotAPolicy { .. } => "POLICY_NOT_A_POLICY",
            Self::TooLong { .. } => "POLICY_TOO_LONG",
            Self::Document(_) => "POLICY_DOCUMENT",
        }
    }

    pub(crate) fn document(what: impl Into<String>) -> Self {
        Self::Document(what.into().chars().take(200).collect())
    }
}
