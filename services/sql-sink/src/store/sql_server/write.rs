use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use domain::DestinationId;

use super::connection::Connection;
use super::fault::Fault;
use super::load::{self, temporary};
use super::open::{IDENTITY, begin, check_identity};
use super::pool::Pool;
use super::{ledger_row_of, string};
use crate::columns::{
    CUSTOM_ATTRIBUTE, CUSTOMER, REPRESENTATIVE, SESSION, SESSION_EVENT, TABLES, TEAM, Table,
};
use crate::store::plan::{Content, Key, Plan};
use crate::store::{Incoming, LedgerRow, Written};

/// One try of the transaction, on a connection that is dropped unless all went well.
pub(super) async fn write(
    pool: &Pool,
    identity: &DestinationId,
    batch: &[Incoming],
) -> Result<Vec<Written>, Fault> {
    let mut connection = pool.take().await?;
    connection.ensure_tables().await?;
    begin(&mut connection).await?;
    let found = connection.batch(IDENTITY).await?;
    let found = found.iter().flatten().next().map(|row| string(row, 0)).transpose()?;
    check_identity(found, identity)?;

    connection.batch(&load::EMPTY).await?;
    load::incoming(&mut connection, batch).await?;
    let plan = Plan::of(batch, &known(&mut connection, batch).await?);
    let loaded = load::content(&mut connection, batch, &plan).await?;
    if !loaded.tables.is_empty() {
        connection.batch(&move_all(&loaded)).await?;
    }
    raise(&mut connection, &plan).await?;
    mark(&mut connection, &plan).await?;
    connection.batch("COMMIT TRANSACTION").await?;
    pool.give_back(connection);
    Ok(plan.outcomes)
}

async fn known(
    connection: &mut Connection,
    batch: &[Incoming],
) -> Result<HashMap<Key, LedgerRow>, Fault> {
    let sql = "SELECT n.ord, g.epoch, g.log_position, g.content_digest, g.session_id
               FROM #sluice_incoming n JOIN dbo.sluice_ledger g ON g.host_name = n.host_name AND g.lsid = n.lsid";
    let mut ledger = HashMap::new();
    for row in connection.batch(sql).await?.iter().flatten() {
        let ord = super::integer(row, 0)?;
        let incoming = usize::try_from(ord).ok().and_then(|place| batch.get(place));
        let Some(Incoming { site, lsid, .. }) = incoming else {
            return Err(Fault::Damaged { what: "place in the batch", text: ord.to_string() });
        };
        ledger.insert((site.clone(), lsid.clone()), ledger_row_of(row, 1)?);
    }
    Ok(ledger)
}

/// Sessions of which only the ledger's revision is raised.
async fn raise(connection: &mut Connection, plan: &Plan) -> Result<(), Fault> {
    let kept = plan.changes.iter().filter(|change| change.content == Content::Keep);
    let places: Vec<String> = kept.map(|change| change.incoming.to_string()).collect();
    if places.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE g SET g.epoch = n.epoch, g.log_position = n.log_position
         FROM dbo.sluice_ledger g
         JOIN #sluice_incoming n ON n.host_name = g.host_name AND n.lsid = g.lsid
         WHERE n.ord IN ({})",
        places.join(", ")
    );
    connection.batch(&sql).await?;
    Ok(())
}

async fn mark(connection: &mut Connection, plan: &Plan) -> Result<(), Fault> {
    let sql = "UPDATE dbo.sluice_route
                   SET log_position = CASE WHEN log_position < CAST(@P2 AS bigint) THEN CAST(@P2 AS bigint)
                                           ELSE log_position END
                   WHERE route = @P1;
               IF @@ROWCOUNT = 0
                   INSERT INTO dbo.sluice_route (route, log_position) VALUES (@P1, CAST(@P2 AS bigint));";
    for (route, position) in &plan.marks {
        connection.query(sql, &[route, &position.to_string()]).await?;
    }
    Ok(())
}

/// From the temporary tables into the real ones.
///
/// Ids of new rows are told apart by their order: the server gives identities in the order of the rows of an INSERT …
/// SELECT … ORDER BY, though it promises nothing of the order in which OUTPUT names them.
fn move_all(loaded: &load::Content) -> String {
    let mut sql = String::new();
    if loaded.replaces {
        sql.push_str(&REPLACED_SESSIONS);
    }
    for (table, statements) in MOVES.iter() {
        if loaded.tables.contains(table) {
            sql.push_str(statements);
        }
    }
    sql.push_str(LEDGER);
    sql
}

static REPLACED_SESSIONS: LazyLock<String> = LazyLock::new(replaced_sessions);

/// What moves the rows of each table, parents first.
static MOVES: LazyLock<[(&Table, String); 8]> = LazyLock::new(|| {
    TABLES.map(|table| {
        let statements = match &table.parent {
            None => new_sessions(),
            Some(parent) if parent.table == SESSION_EVENT.name => {
                children(table, "", EVENTS, "p.place")
            }
            Some(_) if table == &SESSION_EVENT => children(table, EVENT_IDS, "#sluice_id", "p.ord"),
            Some(_) => children(table, "", "#sluice_id", "p.ord"),
        };
        (table, statements)
    })
});

const EVENT_IDS: &str = "OUTPUT inserted.id INTO #sluice_new_event (id)";
const EVENTS: &str = "(SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM #sluice_new_event)";

/// Sessions that keep their id; where a person deleted one, it comes back as a new one.
fn replaced_sessions() -> String {
    let mut sql = format!(
        "INSERT INTO #sluice_id (ord, id)
             SELECT t.ord, s.id FROM {loaded} t JOIN dbo.session s ON s.id = t.parent;
         UPDATE s SET {assignments} FROM dbo.session s JOIN {loaded} t ON t.parent = s.id;",
        loaded = temporary(&SESSION),
        assignments = SESSION.assignments(|_, name| format!("t.[{name}]")),
    );
    for table in [&REPRESENTATIVE, &CUSTOMER, &TEAM, &CUSTOM_ATTRIBUTE, &SESSION_EVENT] {
        write!(
            sql,
            "DELETE FROM dbo.[{}] WHERE session_id IN (SELECT id FROM #sluice_id);",
            table.name
        )
        .expect("a string takes all that is written to it");
    }
    sql
}

fn new_sessions() -> String {
    let unnumbered = format!(
        "{} t WHERE NOT EXISTS (SELECT 1 FROM #sluice_id i WHERE i.ord = t.ord)",
        temporary(&SESSION)
    );
    format!(
        "INSERT INTO dbo.session ({columns}) OUTPUT inserted.id INTO #sluice_new_session (id)
             SELECT {values} FROM {unnumbered} ORDER BY t.ord;
         INSERT INTO #sluice_id (ord, id)
             SELECT o.ord, n.id
             FROM (SELECT t.ord, ROW_NUMBER() OVER (ORDER BY t.ord) AS place FROM {unnumbered}) o
             JOIN (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM #sluice_new_session) n
                 ON n.place = o.place;",
        columns = SESSION.column_list(""),
        values = SESSION.column_list("t."),
    )
}

fn children(table: &Table, output: &str, parents: &str, parent_place: &str) -> String {
    format!(
        "INSERT INTO dbo.[{name}] ({reference}{columns}) {output}
             SELECT p.id, {values} FROM {loaded} t JOIN {parents} p ON {parent_place} = t.parent
             ORDER BY t.ord;",
        name = table.name,
        reference = table.parent_column(),
        columns = table.column_list(""),
        values = table.column_list("t."),
        loaded = temporary(table),
    )
}

const LEDGER: &str = "
    UPDATE g SET g.epoch = n.epoch, g.log_position = n.log_position, g.content_digest = n.content_digest,
                 g.session_id = i.id, g.stored_at = SYSUTCDATETIME()
        FROM dbo.sluice_ledger g
        JOIN #sluice_incoming n ON n.host_name = g.host_name AND n.lsid = g.lsid
        JOIN #sluice_id i ON i.ord = n.ord;
    INSERT INTO dbo.sluice_ledger (host_name, lsid, epoch, log_position, content_digest, session_id)
        SELECT n.host_name, n.lsid, n.epoch, n.log_position, n.content_digest, i.id
        FROM #sluice_incoming n
        JOIN #sluice_id i ON i.ord = n.ord
        WHERE NOT EXISTS (SELECT 1 FROM dbo.sluice_ledger g
                          WHERE g.host_name = n.host_name AND g.lsid = n.lsid);";
