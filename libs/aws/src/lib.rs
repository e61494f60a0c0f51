//! mint-aws
