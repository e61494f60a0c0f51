//! mint-audit
