use std::time::Duration;

use tiberius::{Row, ToSql};

use super::connect::{Client, connect};
use super::connection_string::Target;
use super::fault::Fault;
use super::stage;

const LOCK_WAIT_MAX: Duration = Duration::from_secs(60);

/// A connection. One that has seen an error, or whose use was given up half-way, is not used again: drop it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// Whether the temporary tables that a batch is loaded into are there.
    has_tables: bool,
    /// How long it waits for the lock that all our writers share: less than the server's silence that it bears.
    pub(super) lock_wait: Duration,
    /// Whether the tables of what belongs to events take it straight from a bulk load, which converts nothing.
    pub(super) takes_details: bool,
}

impl Connection {
    pub(super) async fn open(target: &Target) -> Result<Self, Fault> {
        let silence = target.config.get_command_timeout();
        let lock_wait = silence.map_or(LOCK_WAIT_MAX, |silence| LOCK_WAIT_MAX.min(silence / 2));
        let client = connect(target).await?;
        Ok(Connection { client, has_tables: false, lock_wait, takes_details: false })
    }

    /// Sends a text without parameters and reads everything that comes back, so that no error is left unread.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<Vec<Vec<Row>>, Fault> {
        Ok(self.client.simple_query(sql).await?.into_results().await?)
    }

    /// Sends one statement with parameters and reads all its rows.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[&str],
    ) -> Result<Vec<Row>, Fault> {
        let parameters: Vec<&dyn ToSql> =
            parameters.iter().map(|parameter| parameter as &dyn ToSql).collect();
        let results = self.client.query(sql, &parameters).await?.into_results().await?;
        Ok(results.into_iter().flatten().collect())
    }

    /// Makes the temporary tables, once for each connection: a session keeps what it makes outside of a parametrised
    /// call.
    pub(super) async fn ensure_tables(&mut self) -> Result<(), Fault> {
        if !self.has_tables {
            self.batch(stage::tables()).await?;
            let others = self.batch(&stage::OTHER_TYPES).await?;
            self.takes_details = others.iter().flatten().next().is_none();
            self.has_tables = true;
        }
        Ok(())
    }
}
