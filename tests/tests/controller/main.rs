//! Tests of the controller on a cluster: it creates the secrets of pods whose role may only read.

mod creator;
mod leases;
mod load;
mod metrics;
mod pods;
mod restarting;
mod restarts;
mod rotating;
mod syncing;
mod takeover;
mod world;
