//! What comes out of a statement.

use std::sync::Arc;

use mint_types::Timestamp;

use crate::{Error, Value};

/// One row, with its columns by name.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// A row as an [`crate::Engine`] found it: a value for each column.
    pub fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// A text; NULL is an error.
    pub fn text(&self, column: &str) -> Result<String, Error> {
        self.optional_text(column)?.ok_or_else(|| null(column))
    }

    /// A text or NULL.
    pub fn optional_text(&self, column: &str) -> Result<Option<String>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Integer(_) | Value::Bytes(_) => Err(wrong(column, "text")),
        }
    }

    /// A number; NULL is an error.
    pub fn integer(&self, column: &str) -> Result<i64, Error> {
        self.optional_integer(column)?.ok_or_else(|| null(column))
    }

    /// A number or NULL.
    pub fn optional_integer(&self, column: &str) -> Result<Option<i64>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Integer(number) => Ok(Some(*number)),
            Value::Text(_) | Value::Bytes(_) => Err(wrong(column, "a number")),
        }
    }

    /// A number from 0; NULL is an error.
    pub fn unsigned(&self, column: &str) -> Result<u64, Error> {
        u64::try_from(self.integer(column)?).map_err(|_| wrong(column, "a number from 0"))
    }

    /// A number from 0, or NULL.
    pub fn optional_unsigned(&self, column: &str) -> Result<Option<u64>, Error> {
        self.optional_integer(column)?
            .map(|number| u64::try_from(number).map_err(|_| wrong(column, "a number from 0")))
            .transpose()
    }

    /// Bytes; NULL is an error.
    pub fn bytes(&self, column: &str) -> Result<Vec<u8>, Error> {
        self.optional_bytes(column)?.ok_or_else(|| null(column))
    }

    /// Bytes or NULL.
    pub fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.clone())),
            Value::Text(_) | Value::Integer(_) => Err(wrong(column, "bytes")),
        }
    }

    /// 0 or 1; anything else is corrupt.
    pub fn boolean(&self, column: &str) -> Result<bool, Error> {
        match self.integer(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(wrong(column, "0 or 1")),
        }
    }

    /// Microseconds since 1970.
    pub fn timestamp(&self, column: &str) -> Result<Timestamp, Error> {
        self.optional_timestamp(column)?.ok_or_else(|| null(column))
    }

    /// Microseconds since 1970, or NULL.
    pub fn optional_timestamp(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        Ok(self.optional_integer(column)?.map(Timestamp::from_unix_micros))
    }

    fn value(&self, column: &str) -> Result<&Value, Error> {
        self.columns
            .iter()
            .position(|name| name == column)
            .and_then(|position| self.values.get(position))
            .ok_or_else(|| Error::Corrupt { detail: format!("the row has no column `{column}`") })
    }
}

fn null(column: &str) -> Error {
    Error::Corrupt { detail: format!("column `{column}` is null") }
}

fn wrong(column: &str, expected: &str) -> Error {
    Error::Corrupt { detail: format!("column `{column}` is not {expected}") }
}
