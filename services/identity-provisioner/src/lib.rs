//! mint-identity-provisioner
