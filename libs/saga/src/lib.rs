//! mint-saga
