//! mint-coordinator
