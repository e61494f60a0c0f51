//! mint-distributor
