//! Texts with wildcards and policy variables.

use crate::decide::Context;
use crate::error::Error;

/// A text of a policy: literal characters, `*`, `?` and `${…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// `*`: any number of characters.
    Any,
    /// `?`: exactly one character.
    One,
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// What stands for something else in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Syntax {
    /// Are `*` and `?` wildcards?
    pub(crate) wildcards: bool,
    /// Is `${…}` a variable? Only in documents of version 2012-10-17.
    pub(crate) variables: bool,
}

/// Whether a pattern matched; a variable without a value is told apart from a plain mismatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    Unresolved,
}

impl From<bool> for Match {
    fn from(matched: bool) -> Self {
        if matched { Self::Yes } else { Self::No }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    Any,
    One,
}

impl Pattern {
    pub(crate) fn parse(place: &str, text: &str, syntax: Syntax) -> Result<Self, Error> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(inside) = rest.strip_prefix("${").filter(|_| syntax.variables) {
                let (variable, after) = inside
                    .split_once('}')
                    .ok_or_else(|| Error::malformed(place, text, "a text whose every ${ is closed by }"))?;
                pieces.push(variable_piece(place, variable)?);
                rest = after;
                continue;
            }
            pieces.push(match next {
                '*' if syntax.wildcards => Piece::Any,
                '?' if syntax.wildcards => Piece::One,
                other => Piece::Literal(other.to_string()),
            });
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        Ok(Self { pieces })
    }

    /// Does the whole of `text` match? `fold` ignores case.
    pub(crate) fn matches(&self, text: &str, context: &Context, fold: bool) -> Match {
        let Some(tokens) = self.tokens(context, fold) else { return Match::Unresolved };
        let folded = if fold { text.to_lowercase() } else { text.to_owned() };
        glob(&tokens, &folded.chars().collect::<Vec<_>>()).into()
    }

    /// None if a variable has no value. A variable's value is literal: a tag that holds `*` matches only a star.
    fn tokens(&self, context: &Context, fold: bool) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        for piece in &self.pieces {
            let text = match piece {
                Piece::Any => {
                    tokens.push(Token::Any);
                    continue;
                }
                Piece::One => {
                    tokens.push(Token::One);
                    continue;
                }
                Piece::Literal(text) => text.as_str(),
                Piece::Variable { key, default } => context.single(key).or(default.as_deref())?,
            };
            let text = if fold { text.to_lowercase() } else { text.to_owned() };
            tokens.extend(text.chars().map(Token::Char));
        }
        Some(tokens)
    }
}

/// `aws:username`, `aws:PrincipalTag/team, 'none'`, or one of the escapes `*`, `?`, `$`.
fn variable_piece(place: &str, variable: &str) -> Result<Piece, Error> {
    if matches!(variable, "*" | "?" | "$") {
        return Ok(Piece::Literal(variable.to_owned()));
    }
    let refuse = || {
        Error::malformed(
            place,
            variable,
            "a policy variable such as aws:username or aws:PrincipalTag/x, 'default'",
        )
    };
    let (key, default) = match variable.split_once(',') {
        None => (variable, None),
        Some((key, quoted)) => {
            let default = quoted
                .trim()
                .strip_prefix('\'')
                .and_then(|text| text.strip_suffix('\''))
                .ok_or_else(refuse)?;
            (key, Some(default.to_owned()))
        }
    };
    let (family, name) = key.split_once(':').ok_or_else(refuse)?;
    let is_family =
        !family.is_empty() && family.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if !is_family || name.is_empty() || name.contains(['$', '{', '\'']) {
        return Err(refuse());
    }
    Ok(Piece::Variable { key: key.to_owned(), default })
}

/// The usual greedy match with one point of return, linear in practice and quadratic at worst.
fn glob(tokens: &[Token], text: &[char]) -> bool {
    let (mut at_token, mut at_char) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while at_char < text.len() {
        match tokens.get(at_token) {
            Some(Token::Any) => {
                last_any = Some((at_token, at_char));
                at_token += 1;
                continue;
            }
            Some(Token::One) => {
                at_token += 1;
                at_char += 1;
                continue;
            }
            Some(Token::Char(wanted)) if text.get(at_char) == Some(wanted) => {
                at_token += 1;
                at_char += 1;
                continue;
            }
            Some(Token::Char(_)) | None => {}
        }
        let Some((any, taken)) = last_any else { return false };
        last_any = Some((any, taken + 1));
        at_token = any + 1;
        at_char = taken + 1;
    }
    tokens.iter().skip(at_token).all(|token| *token == Token::Any)
}

/// An ARN whose six parts may hold wildcards, or `*` for everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    Everything,
    Parts(Vec<Pattern>),
}

/// `arn:partition:service:region:account:resource`.
const ARN_PARTS: usize = 6;

impl ArnPattern {
    pub(crate) fn parse(place: &str, text: &str, variables: bool) -> Result<Self, Error> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let parts = split_outside_variables(text, variables);
        if parts.len() != ARN_PARTS || parts.first() != Some(&"arn") {
            return Err(Error::malformed(place, text, "* or an ARN of six parts"));
        }
        let service = parts.get(2).copied().unwrap_or_default();
        if service.is_empty() || service.contains(['*', '?', '$']) {
            return Err(Error::malformed(place, text, "an ARN that names its service without a wildcard"));
        }
        let syntax = Syntax { wildcards: true, variables };
        parts
            .iter()
            .map(|part| Pattern::parse(place, part, syntax))
            .collect::<Result<_, _>>()
            .map(Self::Parts)
    }

    pub(crate) fn matches(&self, arn: &str, context: &Context) -> Match {
        let patterns = match self {
            Self::Everything => return Match::Yes,
            Self::Parts(patterns) => patterns,
        };
        let parts: Vec<&str> = arn.splitn(ARN_PARTS, ':').collect();
        if parts.len() != ARN_PARTS {
            return Match::No;
        }
        let matches: Vec<Match> =
            patterns.iter().zip(parts).map(|(pattern, part)| pattern.matches(part, context, false)).collect();
        if matches.contains(&Match::Unresolved) {
            return Match::Unresolved;
        }
        matches.iter().all(|part| *part == Match::Yes).into()
    }
}

/// Splits at the first five colons that stand outside of `${…}`.
fn split_outside_variables(text: &str, variables: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if variables && text.get(..index).is_some_and(|before| before.ends_with('$')) => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && parts.len() < ARN_PARTS - 1 => {
                parts.extend(text.get(start..index));
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WILD: Syntax = Syntax { wildcards: true, variables: true };

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse("test", pattern, WILD).unwrap().matches(text, &Context::default(), false) == Match::Yes
    }

    /// The definition, as slow as it is plain.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| by_definition(rest, &text[taken..])),
            Some(('?', rest)) => !text.is_empty() && by_definition(rest, &text[1..]),
            Some((char, rest)) => text.first() == Some(char) && by_definition(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn wildcards_match_as_their_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let slow = by_definition(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(matches(&pattern, &text), slow);
        }

        #[test]
        fn a_text_without_wildcards_matches_itself_only(pattern in "[a-c/.]{1,6}", text in "[a-c/.]{1,6}") {
            prop_assert_eq!(matches(&pattern, &text), pattern == text);
        }

        #[test]
        fn no_pattern_panics(pattern in "\\PC{0,40}", text in "\\PC{0,40}") {
            if let Ok(parsed) = Pattern::parse("test", &pattern, WILD) {
                parsed.matches(&text, &Context::default(), true);
            }
            if let Ok(parsed) = ArnPattern::parse("test", &pattern, true) {
                parsed.matches(&text, &Context::default());
            }
        }
    }

    #[test]
    fn a_variables_value_is_literal() {
        let context = Context::from_iter([("aws:PrincipalTag/app", "a*")]);
        let pattern = Pattern::parse("test", "x/${aws:principaltag/APP}/*", WILD).unwrap();
        assert_eq!(pattern.matches("x/a*/y", &context, false), Match::Yes);
        assert_eq!(pattern.matches("x/ab/y", &context, false), Match::No);
        assert_eq!(pattern.matches("x/a*/y", &Context::default(), false), Match::Unresolved);
    }

    #[test]
    fn a_variable_that_is_not_closed_or_named_is_refused() {
        for text in
            ["${aws:username", "${}", "${username}", "${aws:}", "${aws:x, none}", "${:x}", "${aws:${x}}"]
        {
            assert!(Pattern::parse("test", text, WILD).is_err(), "{text}");
        }
    }
}
