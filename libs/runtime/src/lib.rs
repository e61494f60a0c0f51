//! mint-runtime
