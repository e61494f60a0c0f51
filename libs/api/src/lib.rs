//! mint-api
