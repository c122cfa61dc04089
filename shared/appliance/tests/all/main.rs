//! The client against a simulated appliance: one program, for each costs a link.

mod account;
mod downloads;
mod listings;
mod simulator;
mod site;
mod tls;
