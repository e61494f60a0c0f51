//! mint-sandbox
