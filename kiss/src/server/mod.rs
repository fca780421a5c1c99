//! The server: a caller's token and the RoleBindings of a namespace decide, and AWS keeps the secrets.
//!
//! ```text
//! call ──> frame ──> service ──> token ──> authorization ──> operations ──> cloud ──> AWS
//!            │          │          │             │
//!            └─ audit ──┘        JWKS      bindings (Kubernetes)
//! ```

pub mod args;
pub mod audit;
pub mod authorization;
pub mod bindings;
pub mod client_address;
pub mod cloud;
pub mod frame;
pub mod listen;
pub mod metrics;
pub mod names;
pub mod operations;
pub mod rate;
pub mod run;
pub mod service;
mod status;
pub mod token;
