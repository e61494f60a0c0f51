//! The environment of the process: nothing of AWS may be in it.

use mint_runtime::ConfigError;

/// Refuses an environment that could make somebody think that the broker is somebody at AWS.
pub(crate) fn refuse_aws(mut names: impl Iterator<Item = String>) -> Result<(), ConfigError> {
    match names.find(|name| name.to_ascii_uppercase().starts_with("AWS_")) {
        None => Ok(()),
        Some(name) => Err(ConfigError::new(
            name,
            "is set in the environment: the broker is nobody at AWS and signs no call; remove it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aws_variable_in_the_environment_is_refused_by_name_and_its_value_is_not_shown() {
        let of = |names: &[&str]| refuse_aws(names.iter().map(|name| (*name).to_owned()));
        assert!(of(&["PATH", "HOME", "XAWS_REGION", "MINT_BROKER__HTTP__LISTEN"]).is_ok());
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_PROFILE",
            "AWS_REGION",
            "aws_secret_access_key",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ] {
            assert!(of(&["PATH", name]).unwrap_err().to_string().contains(name));
        }
    }
}
