//! Databases of their own on a server of T-SQL: the one that an ADO.NET connection string in the environment names, with
//! a login that may make databases.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

/// Names the connection string.
pub const VARIABLE: &str = "SLUICE_TEST_SQLSERVER";

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that knows nothing of the store.
pub type Client = tiberius::Client<Compat<TcpStream>>;

/// A database with a random name.
#[derive(Debug)]
pub struct Fresh {
    /// How to reach the server, and a database that is there.
    pub server: String,
    name: String,
}

/// The connection string with this database in place of its own.
pub fn within(connection: &str, database: &str) -> String {
    let other = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        !matches!(key.as_str(), "database" | "initial catalog" | "")
    };
    let pairs: Vec<&str> = connection.split(';').filter(other).collect();
    format!("{};Database={database}", pairs.join(";"))
}

/// Connects.
pub async fn client(connection: &str) -> tiberius::Result<Client> {
    let mut config = tiberius::Config::from_ado_string(connection).expect("a connection string");
    // As the store has it: a yardstick is to differ in nothing else.
    config.packet_size(16_000);
    let stream = TcpStream::connect(config.get_addr()).await.expect("a server");
    stream.set_nodelay(true).expect("a socket");
    tiberius::Client::connect(config, stream.compat_write()).await
}

/// Runs statements, as a person does.
pub async fn run(connection: &str, sql: &str) -> tiberius::Result<()> {
    let mut client = client(connection).await?;
    client.simple_query(sql.to_owned()).await?.into_results().await.map(drop)
}

impl Fresh {
    /// Makes one at this server.
    pub async fn at(server: &str) -> Self {
        let name = format!("sluice_test_{:016x}", rand::random::<u64>());
        let create = format!("CREATE DATABASE {name}");
        // Some servers make one database at a time, and tell the others so.
        let made = async { while run(server, &create).await.is_err() {} };
        tokio::time::timeout(PATIENCE, made).await.expect("a login that may make databases");
        Fresh { server: server.to_owned(), name }
    }

    /// How to reach it.
    pub fn connection(&self) -> String {
        within(&self.server, &self.name)
    }

    /// Drops it.
    pub async fn dropped(self) {
        let drop = format!("DROP DATABASE {}", self.name);
        // The server takes its time to notice that our connections are closed.
        let gone = async { while run(&self.server, &drop).await.is_err() {} };
        tokio::time::timeout(PATIENCE, gone).await.expect("nobody uses it any more");
    }
}
