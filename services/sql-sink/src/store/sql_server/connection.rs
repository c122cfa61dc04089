use std::time::Duration;

use tiberius::{Config, Row, ToSql};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::fault::Fault;
use super::load;

/// How long a server may take to answer a TCP connect.
const CONNECT: Duration = Duration::from_secs(15);
/// A gateway sends a client on to the server that it means, and that one to nobody.
const REDIRECTS_MAX: usize = 2;

/// What every connection is told first. An error undoes its transaction, whatever it was.
const SETTINGS: &str = "SET XACT_ABORT ON; SET NOCOUNT ON; SET ANSI_NULLS ON; SET ANSI_WARNINGS ON; \
    SET ANSI_PADDING ON; SET QUOTED_IDENTIFIER ON; SET CONCAT_NULL_YIELDS_NULL ON; SET ARITHABORT ON;";

pub(super) type Client = tiberius::Client<Compat<TcpStream>>;

/// A connection. One that has seen an error, or whose use was given up half-way, is not used again: drop it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// Whether the temporary tables that a batch is loaded into are there.
    has_tables: bool,
}

impl Connection {
    pub(super) async fn open(config: &Config) -> Result<Self, Fault> {
        let mut config = config.clone();
        let mut redirects = 0;
        let client = loop {
            let connecting = TcpStream::connect(config.get_addr());
            let stream = tokio::time::timeout(CONNECT, connecting)
                .await
                .map_err(|_| Fault::Unreachable(std::io::ErrorKind::TimedOut.into()))?
                .map_err(Fault::Unreachable)?;
            stream.set_nodelay(true).map_err(Fault::Unreachable)?;
            match Client::connect(config.clone(), stream.compat_write()).await {
                Err(tiberius::error::Error::Routing { host, port })
                    if redirects < REDIRECTS_MAX =>
                {
                    redirects += 1;
                    config.host(host);
                    config.port(port);
                }
                connected => break connected.map_err(Fault::Connecting)?,
            }
        };
        let mut connection = Connection { client, has_tables: false };
        connection.batch(SETTINGS).await?;
        Ok(connection)
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
            self.batch(load::tables()).await?;
            self.has_tables = true;
        }
        Ok(())
    }
}
