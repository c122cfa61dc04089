//! The worker, with a real log and a real staging, into directories, full and vanished mounts, and buckets.

#[path = "../stand/mod.rs"]
mod stand;

mod bucket;
mod delivers;
mod house;
mod mounts;
mod verified;
