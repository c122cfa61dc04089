//! The queue against a real nats-server: one program, for each costs a link and most of its tests wait.

mod batches;
mod dead_letters;
mod epochs;
mod gates;
mod identity;
mod kills;
mod leases;
mod log;
mod outages;
mod reconcile;
mod replays;
mod routes;
mod settling;
mod solitude;
mod support;
