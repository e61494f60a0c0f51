//! mint-types
