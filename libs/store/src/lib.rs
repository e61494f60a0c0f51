//! mint-store
