//! The fetcher against a real nats-server and a simulated appliance: one program, for each costs a link.

mod bulk;
mod cuts;
mod expiry;
mod house;
mod kinds;
mod rebuild;
mod revisions;
mod room;
