//! The standard variables of web identity.

use std::path::PathBuf;

use mint_types::OutboundUrl;

use crate::Error;

/// What to do about a static key in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaticKeys {
    /// Refuse to start: whoever set it expects it to be used.
    Refuse,
    /// Go on without it.
    Ignore,
}

/// The parsed environment of one principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// `AWS_ROLE_ARN`: the role to become.
    pub role_arn: String,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`: where the platform keeps the token fresh.
    pub token_file: PathBuf,
    /// `AWS_ROLE_SESSION_NAME`: how the session appears in CloudTrail.
    pub session_name: String,
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ENDPOINT_URL_STS`, else `AWS_ENDPOINT_URL`.
    pub sts_endpoint: Option<OutboundUrl>,
    /// `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`.
    pub s3_endpoint: Option<OutboundUrl>,
}

impl Environment {
    /// Reads the process's environment; `session_name` stands in for an unset `AWS_ROLE_SESSION_NAME`.
    pub fn of_process(session_name: &str, static_keys: StaticKeys) -> Result<Self, Error> {
        Self::from_lookup(&|name| std::env::var(name).ok(), session_name, static_keys)
    }

    /// Reads the variables through `lookup`.
    pub fn from_lookup(
        lookup: &dyn Fn(&str) -> Option<String>,
        session_name: &str,
        static_keys: StaticKeys,
    ) -> Result<Self, Error> {
        // the SDKs treat an empty variable as absent
        let variable = |name: &'static str| lookup(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| variable(name).ok_or(Error::Missing(name));
        if static_keys == StaticKeys::Refuse {
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                if variable(name).is_some() {
                    return Err(Error::StaticKey(name));
                }
            }
        }
        Ok(Self {
            role_arn: role_arn(required("AWS_ROLE_ARN")?)?,
            token_file: PathBuf::from(required("AWS_WEB_IDENTITY_TOKEN_FILE")?),
            session_name: role_session_name(
                variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| session_name.to_owned()),
            )?,
            region: region(&variable)?,
            sts_endpoint: endpoint(&variable, "AWS_ENDPOINT_URL_STS")?,
            s3_endpoint: endpoint(&variable, "AWS_ENDPOINT_URL_S3")?,
        })
    }
}

/// Where the store is, for a principal that brings its own credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLocation {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: String,
    /// `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`.
    pub s3_endpoint: Option<OutboundUrl>,
}

impl StoreLocation {
    /// Reads the variables through `lookup`.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &'static str| lookup(name).filter(|value| !value.is_empty());
        Ok(Self { region: region(&variable)?, s3_endpoint: endpoint(&variable, "AWS_ENDPOINT_URL_S3")? })
    }
}

type Variables<'v> = &'v dyn Fn(&'static str) -> Option<String>;

fn endpoint(variable: Variables<'_>, name: &'static str) -> Result<Option<OutboundUrl>, Error> {
    let everybodys = || variable("AWS_ENDPOINT_URL").map(|text| ("AWS_ENDPOINT_URL", text));
    let Some((name, text)) = variable(name).map(|text| (name, text)).or_else(everybodys) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|source| Error::Endpoint { name, source })
}

fn role_arn(text: String) -> Result<String, Error> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", _, role] if role.starts_with("role/") => Ok(text),
        _ => Err(Error::Unusable {
            name: "AWS_ROLE_ARN",
            rule: "it must be arn:<partition>:iam::<account>:role/<name>".to_owned(),
        }),
    }
}

/// STS: `[\w+=,.@-]{2,64}`.
fn role_session_name(text: String) -> Result<String, Error> {
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b'-')
    };
    if (2..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(Error::Unusable {
        name: "AWS_ROLE_SESSION_NAME",
        rule: "it must be 2 to 64 characters of [A-Za-z0-9_+=,.@-]".to_owned(),
    })
}

fn region(variable: Variables<'_>) -> Result<String, Error> {
    let found = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let text = found.ok_or(Error::Missing("AWS_REGION"))?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.len() <= 63 && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(Error::Unusable {
        name: "AWS_REGION",
        rule: "it must be a region's name, for example eu-central-1".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Environment, Error> {
        let mut variables = std::collections::HashMap::from([
            ("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/mint-distributor"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token"),
            ("AWS_REGION", "eu-central-1"),
        ]);
        variables.extend(changes.iter().copied());
        let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
        Environment::from_lookup(&lookup, "distributor", StaticKeys::Refuse)
    }

    #[test]
    fn the_standard_variables_are_enough() {
        let environment = read(&[("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9/sts")]).unwrap();
        assert_eq!(environment.session_name, "distributor");
        assert_eq!(environment.region, "eu-central-1");
        assert_eq!(environment.sts_endpoint.unwrap().as_str(), "http://127.0.0.1:9/sts");
        assert_eq!(environment.s3_endpoint, None);
    }

    #[test]
    fn a_static_key_in_the_environment_is_refused() {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let error = read(&[(name, "AKIAIOSFODNN7EXAMPLE")]).unwrap_err();
            assert!(matches!(error, Error::StaticKey(found) if found == name));
            assert!(!error.to_string().contains("AKIA"), "{error}");
        }
    }

    #[test]
    fn an_error_names_the_variable() {
        for (changes, name) in [
            ([("AWS_ROLE_ARN", "")], "AWS_ROLE_ARN"),
            ([("AWS_ROLE_ARN", "arn:aws:iam::1:user/x")], "AWS_ROLE_ARN"),
            ([("AWS_WEB_IDENTITY_TOKEN_FILE", "")], "AWS_WEB_IDENTITY_TOKEN_FILE"),
            ([("AWS_REGION", "")], "AWS_REGION"),
            ([("AWS_REGION", "eu/../x")], "AWS_REGION"),
            ([("AWS_ROLE_SESSION_NAME", "a b")], "AWS_ROLE_SESSION_NAME"),
        ] {
            let error = read(&changes).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn an_endpoint_off_this_machine_needs_https() {
        let error = read(&[("AWS_ENDPOINT_URL_S3", "http://s3.example.org")]).unwrap_err();
        assert!(matches!(error, Error::Endpoint { name: "AWS_ENDPOINT_URL_S3", .. }));
        assert!(read(&[("AWS_ENDPOINT_URL_S3", "https://s3.example.org")]).is_ok());
    }

    #[test]
    fn where_the_store_is_can_be_read_without_a_role() {
        let only = |wanted: &'static str, value: &'static str| {
            StoreLocation::from_lookup(&move |name: &str| (name == wanted).then(|| value.to_owned()))
        };
        let location = only("AWS_DEFAULT_REGION", "eu-west-1").unwrap();
        assert_eq!((location.region.as_str(), location.s3_endpoint), ("eu-west-1", None));
        assert!(matches!(only("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), Err(Error::Missing("AWS_REGION"))));
    }
}
