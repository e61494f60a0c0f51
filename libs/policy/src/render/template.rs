//! The permission files, and what fills their placeholders.

use mint_types::ServiceName;
use serde_json::Value;

use crate::Error;
use crate::config::Partition;

/// A permission file of a service, compiled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    pub(super) file: &'static str,
    pub(super) text: &'static str,
}

macro_rules! permission_file {
    ($service:literal, $name:literal) => {
        Template {
            file: concat!("services/", $service, "/permissions/", $name),
            text: include_str!(concat!("../../../../services/", $service, "/permissions/", $name)),
        }
    };
}

/// What the reader of one application may.
pub(super) const READER: Template = permission_file!("berry", "aws.json");
/// What a session may that the broker tagged.
pub(super) const TAGGED_READER: Template = permission_file!("broker", "reader-policy.json");
/// Whom the role for such sessions trusts.
pub(super) const TAGGED_READER_TRUST: Template = permission_file!("broker", "reader-trust.json");

/// Every service, in the order of its name's enumeration.
pub(super) const SERVICES: [ServiceName; 7] = [
    ServiceName::RegistrySync,
    ServiceName::IdentityProvisioner,
    ServiceName::Rotator,
    ServiceName::Distributor,
    ServiceName::Coordinator,
    ServiceName::Audit,
    ServiceName::Broker,
];

/// What a service's own role may.
pub(super) fn of_service(service: ServiceName) -> Template {
    match service {
        ServiceName::RegistrySync => permission_file!("registry-sync", "aws.json"),
        ServiceName::IdentityProvisioner => permission_file!("identity-provisioner", "aws.json"),
        ServiceName::Rotator => permission_file!("rotator", "aws.json"),
        ServiceName::Distributor => permission_file!("distributor", "aws.json"),
        ServiceName::Coordinator => permission_file!("coordinator", "aws.json"),
        ServiceName::Audit => permission_file!("audit", "aws.json"),
        ServiceName::Broker => permission_file!("broker", "aws.json"),
    }
}

impl Template {
    /// Its statements as they are written.
    pub(super) fn statements(self) -> Result<Vec<Value>, Error> {
        let refuse = |reason: String| Error::NotAPolicy { file: self.file.to_owned(), reason };
        let mut document =
            mint_permissions::strict_json(self.text).map_err(|error| refuse(error.to_string()))?;
        match document.get_mut("Statement").map(Value::take) {
            Some(Value::Array(statements)) => Ok(statements),
            _ => Err(refuse("its Statement is no list".to_owned())),
        }
    }

    /// Its statements with `values` for their placeholders, and with the ARNs of this partition.
    pub(super) fn fill(self, partition: Partition, values: &[(&str, &str)]) -> Result<Vec<Value>, Error> {
        self.statements()?
            .into_iter()
            .map(|statement| self.fill_value(statement, partition, values))
            .collect()
    }

    fn fill_value(self, value: Value, partition: Partition, values: &[(&str, &str)]) -> Result<Value, Error> {
        Ok(match value {
            Value::String(text) => {
                let filled = self.fill_text(&text, values)?;
                let rest =
                    filled.strip_prefix("arn:aws:").map(|rest| format!("arn:{}:{rest}", partition.as_str()));
                Value::String(rest.unwrap_or(filled))
            }
            Value::Array(items) => {
                let filled = items.into_iter().map(|item| self.fill_value(item, partition, values));
                Value::Array(filled.collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let filled = object.into_iter().map(|(key, inner)| {
                    Ok((self.fill_text(&key, values)?, self.fill_value(inner, partition, values)?))
                });
                Value::Object(filled.collect::<Result<_, Error>>()?)
            }
            plain => plain,
        })
    }

    fn fill_text(self, text: &str, values: &[(&str, &str)]) -> Result<String, Error> {
        let unknown = |placeholder: &str| Error::Placeholder {
            file: self.file.to_owned(),
            placeholder: placeholder.to_owned(),
        };
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            let (name, behind) = after.split_once('>').ok_or_else(|| unknown(after))?;
            let (_, value) = values.iter().find(|(known, _)| *known == name).ok_or_else(|| unknown(name))?;
            filled.push_str(before);
            filled.push_str(value);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}
