//! mint-rotator
