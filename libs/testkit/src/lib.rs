//! mint-testkit
