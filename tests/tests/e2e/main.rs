//! The main job, end to end: annotated pods on a real cluster, with the webhook behind its
//! Service, against DynamoDB Local and moto.

mod admission;
mod downward;
mod examples;
mod failures;
mod files;
mod install;
mod keys;
mod overlay;
mod pods;
mod replicas;
mod secrecy;
mod wired;
mod world;
