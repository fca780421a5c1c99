//! Tests of the controller on a cluster: it creates the secrets of pods whose role may only read.

mod creator;
mod pods;
mod world;
