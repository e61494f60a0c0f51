//! mint-permissions
