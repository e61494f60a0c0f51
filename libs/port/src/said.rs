//! What a call says of itself: the `Debug` text of whatever has one. Used by generated code only.
//!
//! Which of the two traits a type gets is decided by how often the compiler must borrow: [`Aloud`] for what is `Debug`,
//! [`Silent`] for the rest (closures, streams).

use std::fmt::{Debug, Write as _};

/// An argument or an answer.
#[derive(Debug)]
pub struct Said<'a, T: ?Sized>(pub &'a T);

/// For what is `Debug`.
pub trait Aloud {
    /// Appends its text.
    fn say(&self, text: &mut String);
}

/// For what is not.
pub trait Silent {
    /// Appends nothing.
    fn say(&self, text: &mut String);
}

impl<T: Debug + ?Sized> Aloud for Said<'_, T> {
    fn say(&self, text: &mut String) {
        // writing to a string does not fail
        let _ = write!(text, "{:?} ", self.0);
    }
}

impl<T: ?Sized> Silent for &Said<'_, T> {
    fn say(&self, _: &mut String) {}
}
