//! The server's error numbers: what each one means for what we were doing, and who says so.

use self::Means::{Outage, Reject, Retry, SomebodyElse, Wait};

/// What an error number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// The transaction is lost, and works on another try with another connection.
    Retry,
    /// Somebody else did it meanwhile: look again.
    SomebodyElse,
    /// The server has more to do than it can, or is moving: leave it alone for a while.
    Wait,
    /// The database as a whole does not work until a person does this.
    Outage(&'static str),
    /// No column can hold the value.
    Reject,
}

/// An error number.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) number: u32,
    pub(super) means: Means,
    /// The page of the vendor's documentation that says so: for whoever doubts it, so nothing reads it but a test.
    #[cfg_attr(not(test), expect(dead_code))]
    pub(super) source: &'static str,
}

pub(super) const SILENT: &str = "can't be reached: is the server up, and do its address, port and the network's rules allow it?";
pub(super) const LOGIN: &str =
    "refuses the login: check user and password, and that the login may use the database";
pub(super) const EXPIRED: &str =
    "wants another password for this login: change it there, and then in the connection string";
pub(super) const FIREWALL: &str =
    "lets this machine's address not in: add it to the server's firewall rules";
pub(super) const RIGHTS: &str = "lets the login not do what is needed: it needs to read and write the tables (schema/sqlserver/grants.sql), \
    and `sluice migrate` a login that may make and change tables (the role db_ddladmin)";
pub(super) const LOCKED: &str = "is locked by another transaction for longer than sluice waits: find out which one is left open";
const FULL: &str = "has no room left: make room for its files or its log, or raise its limit";
const READ_ONLY: &str = "can't be written: it is read-only, or another replica is the primary now";
pub(super) const CHANGED: &str = "lacks a table or a column of ours: was the schema changed? `sluice migrate` puts back a table that is missing, and \
    schema/sqlserver/current.sql says what columns a table has";
const DAMAGED: &str = "is damaged: look at the server's log and restore it";
const OFFLINE: &str = "can't be opened: look at its state in the server's log";

// Titles of pages on learn.microsoft.com.
const AZURE: &str = "Troubleshoot connectivity issues and other errors (Azure SQL Database, transient fault error codes)";
const AZURE_LIMITS: &str = "Troubleshoot connectivity issues and other errors (Azure SQL Database, resource governance errors)";
const SQL_CLIENT: &str = "SqlConfigurableRetryFactory Class (Microsoft.Data.SqlClient)";
const E0: &str = "Database Engine events and errors (0 to 999)";
const E2: &str = "Database Engine events and errors (2000 to 2999)";
const E3: &str = "Database Engine events and errors (3000 to 3999)";
const E4: &str = "Database Engine events and errors (4000 to 4999)";
const E6: &str = "Database Engine events and errors (6000 to 6999)";
const E8: &str = "Database Engine events and errors (8000 to 8999)";
const E18: &str = "Database Engine events and errors (18000 to 18999)";
const E31: &str = "Database Engine events and errors (31000 to 41399)";
const E41: &str = "Database Engine events and errors (41400 to 49999)";

const fn row(number: u32, means: Means, source: &'static str) -> Number {
    Number { number, means, source }
}

/// Ascending by number.
#[rustfmt::skip]
pub(super) const NUMBERS: &[Number] = &[
    row(64, Retry, SQL_CLIENT),                   // the network name is no longer available
    row(121, Retry, SQL_CLIENT),                  // the network's semaphore timed out
    row(207, Outage(CHANGED), "MSSQLSERVER_207"), // invalid column name
    row(208, Outage(CHANGED), "MSSQLSERVER_208"), // invalid object name
    row(220, Reject, E0),                         // overflow of a type
    row(229, Outage(RIGHTS), E0),                 // permission denied on an object
    row(230, Outage(RIGHTS), E0),                 // permission denied on a column
    row(233, Retry, "MSSQLSERVER_233"),           // no process at the other end of the pipe
    row(241, Reject, E0),                         // conversion of a text to a time
    row(242, Reject, E0),                         // a time out of range
    row(245, Reject, E0),                         // conversion of a text to a number
    row(262, Outage(RIGHTS), E0),                 // permission denied in the database
    row(297, Outage(RIGHTS), E0),                 // no permission for this action
    row(300, Outage(RIGHTS), E0),                 // permission denied on the server
    row(515, Reject, E0),                         // null where none may be
    row(596, Retry, E0),                          // the session was killed
    row(615, Retry, AZURE),                       // the database's id changed while it moved
    row(701, Wait, "MSSQLSERVER_701"),            // not enough memory
    row(802, Wait, "MSSQLSERVER_802"),            // not enough memory in the buffer pool
    row(823, Outage(DAMAGED), "MSSQLSERVER_823"), // the operating system failed to read or write
    row(824, Outage(DAMAGED), "MSSQLSERVER_824"), // a page is not what was written
    row(825, Outage(DAMAGED), "MSSQLSERVER_825"), // a page was read at the second try only
    row(911, Outage(LOGIN), E0),                  // no such database
    row(916, Outage(LOGIN), "MSSQLSERVER_916"),   // the login is no user of the database
    row(926, Outage(OFFLINE), "MSSQLSERVER_926"), // suspect
    row(927, Wait, E0),                           // in the middle of a restore
    row(942, Outage(OFFLINE), E0),                // offline
    row(945, Outage(OFFLINE), "MSSQLSERVER_945"), // files or memory are missing
    row(976, Outage(READ_ONLY), E0),              // a secondary replica that can't be accessed
    row(978, Outage(READ_ONLY), E0),              // a secondary replica that wants read intent
    row(983, Wait, E0),                           // the replica is resolving who is the primary
    row(988, Outage(READ_ONLY), E0),              // no quorum in the availability group
    row(1101, Outage(FULL), "MSSQLSERVER_1101"),  // no page to be had in the file group
    row(1105, Outage(FULL), "MSSQLSERVER_1105"),  // no space in the file group
    row(1204, Wait, "MSSQLSERVER_1204"),          // no lock to be had
    row(1205, Retry, "MSSQLSERVER_1205"),         // deadlock victim
    row(1222, Outage(LOCKED), "MSSQLSERVER_1222"), // waited too long for a lock
    row(2601, SomebodyElse, E2),                  // duplicate key in an index
    row(2627, SomebodyElse, E2),                  // duplicate key in a constraint
    row(2628, Reject, E2),                        // a text is too long, and of which column
    row(2760, Outage(RIGHTS), E2),                // the schema can't be used
    row(3704, Outage(RIGHTS), E3),                // no permission to change the object
    row(3906, Outage(READ_ONLY), E3),             // a read-only database
    row(3908, Outage(READ_ONLY), E3),             // a database in bypass recovery
    row(3935, Retry, E3),                         // the transaction was doomed by another
    row(3960, Retry, E3),                         // conflict of an update under snapshot isolation
    row(3961, Retry, "MSSQLSERVER_3961"),         // the object changed under snapshot isolation
    row(4060, Outage(LOGIN), AZURE),              // the database that the login asks for can't be opened
    row(4064, Outage(LOGIN), "MSSQLSERVER_4064"), // the login's own database can't be opened
    row(4221, Wait, AZURE),                       // a replica waits for row versions
    row(4891, Reject, E4),                        // a bulk load whose columns changed
    row(6005, Retry, E6),                         // the server is shutting down
    row(8114, Reject, E8),                        // conversion between types
    row(8115, Reject, E8),                        // overflow while converting
    row(8152, Reject, E8),                        // a text is too long
    row(8645, Wait, "MSSQLSERVER_8645"),          // waited too long for memory
    row(8651, Wait, "MSSQLSERVER_8651"),          // no memory to be granted
    row(9001, Outage(OFFLINE), "MSSQLSERVER_9001"), // the transaction log can't be used
    row(9002, Outage(FULL), "MSSQLSERVER_9002"),  // the transaction log is full
    row(10053, Retry, SQL_CLIENT),                // the connection was aborted here
    row(10054, Retry, SQL_CLIENT),                // the connection was reset there
    row(10060, Retry, "MSSQLSERVER_10060"),       // the connection timed out
    row(10928, Wait, AZURE_LIMITS),               // as many workers or sessions as there may be
    row(10929, Wait, AZURE_LIMITS),               // the server is too busy for more than the guarantee
    row(10936, Wait, AZURE_LIMITS),               // the pool's workers are all in use
    row(17142, Wait, "MSSQLSERVER_17142"),        // the service is paused
    row(17300, Wait, "MSSQLSERVER_17300"),        // no memory for another task
    row(17809, Wait, "MSSQLSERVER_17809"),        // as many connections as there may be
    row(18401, Wait, E18),                        // the server is in the middle of an upgrade of its scripts
    row(18452, Outage(LOGIN), "MSSQLSERVER_18452"), // a login of an untrusted domain
    row(18456, Outage(LOGIN), "MSSQLSERVER_18456"), // login failed
    row(18461, Wait, E18),                        // the server is in single-user mode
    row(18470, Outage(LOGIN), E18),               // the login is disabled
    row(18486, Outage(LOGIN), E18),               // the login is locked out
    row(18487, Outage(EXPIRED), E18),             // the password has expired
    row(18488, Outage(EXPIRED), E18),             // the password has to be changed
    row(40143, Wait, SQL_CLIENT),                 // the service failed to process the request
    row(40197, Wait, AZURE),                      // failing over, or being upgraded
    row(40501, Wait, AZURE),                      // too busy: wait for ten seconds
    row(40532, Outage(LOGIN), AZURE),             // no such server, or no right to log in there
    row(40540, Wait, SQL_CLIENT),                 // the transaction was aborted while the database moved
    row(40544, Outage(FULL), AZURE_LIMITS),       // the database has reached its size
    row(40549, Retry, AZURE_LIMITS),              // a transaction that ran too long
    row(40550, Retry, AZURE_LIMITS),              // a transaction with too many locks
    row(40551, Retry, AZURE_LIMITS),              // too much of tempdb
    row(40552, Retry, AZURE_LIMITS),              // too much of the transaction log
    row(40553, Retry, AZURE_LIMITS),              // too much memory
    row(40613, Wait, AZURE),                      // not available at the moment
    row(40615, Outage(FIREWALL), AZURE),          // the address is not allowed
    row(40914, Outage(FIREWALL), AZURE),          // the subnet is not allowed
    row(41301, Retry, "MSSQLSERVER_41301"),       // a transaction that this one depends on failed
    row(41302, Retry, "MSSQLSERVER_41302"),       // a row was updated since the transaction began
    row(41305, Retry, "MSSQLSERVER_41305"),       // repeatable reads can't be kept
    row(41325, Retry, E31),                       // serializable reads can't be kept
    row(41839, Retry, E41),                       // too many transactions that depend on each other
    row(42108, Wait, SQL_CLIENT),                 // the pool is paused
    row(42109, Wait, SQL_CLIENT),                 // the pool is being resumed
    row(49918, Wait, AZURE),                      // not enough resources for the request
    row(49919, Wait, AZURE),                      // too many creations or updates under way
    row(49920, Wait, AZURE),                      // too many operations under way
];

/// What is known of a number.
pub(super) fn look_up(number: u32) -> Option<&'static Number> {
    NUMBERS.binary_search_by_key(&number, |row| row.number).ok().map(|place| &NUMBERS[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_stands_once_in_its_place_and_names_its_source() {
        assert!(NUMBERS.is_sorted_by(|one, other| one.number < other.number));
        for row in NUMBERS {
            assert!(row.source.len() > 10, "{row:?}");
            assert_eq!(look_up(row.number).map(|found| found.number), Some(row.number));
            if let Some(own) = row.source.strip_prefix("MSSQLSERVER_") {
                assert_eq!(own, row.number.to_string(), "each such page tells of one number");
            }
        }
        assert!(look_up(0).is_none() && look_up(50_000).is_none());
    }

    /// What every other program that writes to this engine takes for passing.
    #[test]
    fn what_passes_by_itself_makes_nobody_do_anything() {
        for number in
            [1205, 40197, 40501, 40613, 10928, 10929, 49918, 49919, 49920, 10053, 10054, 10060]
        {
            let means = look_up(number).map(|row| row.means);
            assert!(matches!(means, Some(Retry | Wait)), "{number}: {means:?}");
        }
        for number in [2601, 2627] {
            assert_eq!(look_up(number).map(|row| row.means), Some(SomebodyElse));
        }
    }
}
