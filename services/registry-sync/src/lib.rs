//! mint-registry-sync
