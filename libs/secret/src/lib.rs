//! mint-secret
