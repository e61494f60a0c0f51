//! Why a permission file is refused.

/// Why a permission file, or what should fill it, is refused. Every variant names the culprit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the document is not JSON, or holds a key twice: {0}")]
    Json(String),
    #[error("{place} has the unknown element {element:?}")]
    UnknownElement { place: String, element: String },
    #[error("{place} lacks the element {element:?}")]
    MissingElement { place: String, element: &'static str },
    #[error("{place} has both {first:?} and {second:?}")]
    Contradiction { place: String, first: &'static str, second: &'static str },
    #[error("{place} has {value:?}, which is not {expected}")]
    Malformed { place: String, value: String, expected: &'static str },
    #[error("the condition operator {0:?} is unknown")]
    UnknownOperator(String),
    #[error("the placeholder {0:?} is none of <bucket> and <prefix>")]
    UnknownPlaceholder(String),
    #[error("{value:?} cannot fill <{placeholder}>: it must be {expected}")]
    Filling { placeholder: &'static str, value: String, expected: &'static str },
}

impl Error {
    /// A stable word for the kind of refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "POLICY_NOT_JSON",
            Self::UnknownElement { .. } => "POLICY_UNKNOWN_ELEMENT",
            Self::MissingElement { .. } => "POLICY_MISSING_ELEMENT",
            Self::Contradiction { .. } => "POLICY_CONTRADICTION",
            Self::Malformed { .. } => "POLICY_MALFORMED",
            Self::UnknownOperator(_) => "POLICY_UNKNOWN_OPERATOR",
            Self::UnknownPlaceholder(_) => "POLICY_UNKNOWN_PLACEHOLDER",
            Self::Filling { .. } => "POLICY_FILLING_REFUSED",
        }
    }

    pub(crate) fn malformed(
        place: impl Into<String>,
        value: impl Into<String>,
        expected: &'static str,
    ) -> Self {
        let value: String = value.into();
        Self::Malformed { place: place.into(), value: value.chars().take(200).collect(), expected }
    }
}
