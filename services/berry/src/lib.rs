//! mint-berry
