//! Volumes of SecretProviderClass objects on a cluster without the CSI driver.

mod deletion;
mod errors;
mod failover;
mod figures;
mod identity;
mod pods;
mod recorded;
mod secrets;
mod volumes;
mod world;
