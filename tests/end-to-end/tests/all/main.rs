//! The whole house with its real programs. One program of tests: most of them wait for other programs most of the time,
//! and so they wait together.

mod accounts;
mod archives;
mod bucket_staging;
mod catch_up;
mod checks;
mod events;
mod first_run;
mod flows;
mod full_disk;
mod kills;
mod lost_ledger;
mod lost_log;
mod night;
mod reconcile;
mod replay;
mod replay_sql_server;
mod sql_server;
mod trouble;
