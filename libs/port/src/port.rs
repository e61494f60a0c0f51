//! How a port is held.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::{ACTIVE, Points};

/// A trait object that [`macro@crate::port`] has an adapter for.
pub trait Ported {
    /// Its points.
    const POINTS: Points;

    /// The adapter around it.
    fn behind_points(inner: Arc<Self>, service: &'static str) -> Arc<Self>;
}

/// A port as a service holds it: every call passes its points. Cheap to clone.
pub struct Port<T: ?Sized>(Arc<T>);

impl<T: ?Sized + Ported> Port<T> {
    /// A port that one service holds. One that several hold does not compile here: see [`Port::held_by`].
    pub fn new(inner: Arc<T>) -> Self {
        const { assert!(T::POINTS.service.is_some(), "several services hold this port: say which, with held_by") }
        Self::held_by(T::POINTS.service.unwrap_or_default(), inner)
    }

    /// A port as this service holds it.
    pub fn held_by(service: &'static str, inner: Arc<T>) -> Self {
        if ACTIVE { Self(T::behind_points(inner, service)) } else { Self(inner) }
    }
}

impl<T: ?Sized> Clone for Port<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Port<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<T: ?Sized> Deref for Port<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
