//! The canonical, length-prefixed encoding that envelopes and receipts are signed over.
//!
//! Every value has exactly one encoding: integers are big-endian of fixed width, byte strings carry a `u16` or
//! `u32` length, nothing is optional, and a reader refuses bytes that are left over.

use crate::Error;

/// Appends values.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn byte(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// A short text: an id, a bucket, an object key.
    pub(crate) fn text(&mut self, text: &str) -> Result<&mut Self, Error> {
        let length = u16::try_from(text.len()).map_err(|_| Error::TooLong)?;
        Ok(self.raw(&length.to_be_bytes()).raw(text.as_bytes()))
    }

    /// A long byte string: a ciphertext.
    pub(crate) fn block(&mut self, bytes: &[u8]) -> Result<&mut Self, Error> {
        let length = u32::try_from(bytes.len()).map_err(|_| Error::TooLong)?;
        Ok(self.raw(&length.to_be_bytes()).raw(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Takes values off the front.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// What is said when the bytes do not fit.
    malformed: fn(&'static str) -> Error,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], malformed: fn(&'static str) -> Error) -> Self {
        Self { rest: bytes, malformed }
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or((self.malformed)("cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let malformed = self.malformed;
        self.raw(N)?.try_into().map_err(|_| malformed("cut short"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        let length = u16::from_be_bytes(self.array()?);
        let malformed = self.malformed;
        std::str::from_utf8(self.raw(usize::from(length))?).map_err(|_| malformed("text that is not UTF-8"))
    }

    pub(crate) fn block(&mut self) -> Result<&'a [u8], Error> {
        let length = u32::from_be_bytes(self.array()?);
        let length = usize::try_from(length).map_err(|_| (self.malformed)("too long"))?;
        self.raw(length)
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err((self.malformed)("bytes left over")) }
    }
}
