//! The messages, the client and the server that `proto/kiss.proto` defines. The messages with a value
//! have no `Debug`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "the file is generated"
)]

tonic::include_proto!("kiss.resources");

/// The compiled `proto/kiss.proto`, for the reflection service.
pub const DESCRIPTOR: &[u8] = tonic::include_file_descriptor_set!("kiss");

#[cfg(test)]
mod tests;
