//! kiss: developers manage the secrets of their namespaces in AWS Secrets Manager with the token that
//! `kubectl` already uses, and without any access to AWS.
//!
//! A drop-in for kiss 0.1, whose clients and servers work with these.

#[cfg(feature = "client")]
pub mod client;
pub mod command_line;
pub mod process;
pub mod prompt;
pub mod proto;
#[cfg(feature = "server")]
pub mod server;
