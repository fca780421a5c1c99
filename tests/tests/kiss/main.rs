//! kiss on moto, and on a cluster.

#![cfg(test)]

mod aws;
mod cluster;
mod world;
