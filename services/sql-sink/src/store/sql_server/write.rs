use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use domain::{DestinationId, SiteHost};

use super::adoption;
use super::connection::Connection;
use super::fault::Fault;
use super::load::Load;
use super::open::{IDENTITY, begin, check_identity};
use super::pool::Pool;
use super::stage::{self, LEDGER_KNOWN, LEDGER_NEW, Stage, kind_of, slot_of};
use super::{ledger_row_of, string};
use crate::columns::{
    CUSTOM_ATTRIBUTE, CUSTOMER, REPRESENTATIVE, SESSION, SESSION_EVENT, TABLES, TEAM, Table,
};
use crate::store::plan::{Key, Plan};
use crate::store::{Incoming, LedgerRow, Written};

/// LSIDs that the ledger is asked for in one call; with the host name less than the 2,098 parameters that it may have.
const ASKED_MAX: usize = 1_024;

/// What a row of a rehearsal takes at least.
const REHEARSED_BYTES: u64 = 1_400;

/// One try of the transaction, on a connection that is dropped unless all went well.
pub(super) async fn write(
    pool: &Pool,
    identity: &DestinationId,
    batch: &[Incoming],
) -> Result<Vec<Written>, Fault> {
    let mut connection = pool.take().await?;
    connection.ensure_tables().await?;
    begin(&mut connection).await?;
    let found = connection.batch(&FIRST).await?;
    let found = found.iter().flatten().next().map(|row| string(row, 0)).transpose()?;
    check_identity(found, identity)?;

    let mut ledger = known(&mut connection, batch).await?;
    if pool.adopts() {
        adoption::adopt(&mut connection, batch, &mut ledger).await?;
    }
    let plan = Plan::of(batch, &ledger);
    let mut load = Load::of(batch, &plan);
    load.detour(connection.takes_details);
    if !load.kinds.is_empty() {
        load.to_stages(&mut connection).await?;
        let event_ids = move_staged(&mut connection, &load).await?;
        load.to_tables(&mut connection, &event_ids).await?;
    }
    mark(&mut connection, &plan).await?;
    connection.batch("COMMIT TRANSACTION").await?;
    pool.give_back(connection);
    Ok(plan.outcomes)
}

/// Writes rows with about this many bytes, up to a hundred thousand rows, and takes them back. Nobody else's have such
/// keys.
pub(super) async fn rehearse(pool: &Pool, bytes: u64) -> Result<(), Fault> {
    let digits = "(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))";
    let sql = format!(
        "BEGIN TRANSACTION;
         UPDATE dbo.sluice_database SET id = id;
         INSERT INTO dbo.sluice_route (route, log_position)
             SELECT TOP ({}) CONCAT(N'rehearsal ', @@SPID, N' ', a.n, b.n, c.n, d.n, e.n, REPLICATE(N'x', 700)), 0
             FROM {digits} a (n) CROSS JOIN {digits} b (n) CROSS JOIN {digits} c (n) CROSS JOIN {digits} d (n)
             CROSS JOIN {digits} e (n);
         ROLLBACK TRANSACTION;",
        bytes.div_ceil(REHEARSED_BYTES)
    );
    let mut connection = pool.take().await?;
    connection.batch(&sql).await?;
    pool.give_back(connection);
    Ok(())
}

/// Writes what was staged; gives the ids of the new events, in their order, where they are needed.
async fn move_staged(connection: &mut Connection, load: &Load<'_>) -> Result<Vec<i64>, Fault> {
    let results = connection.batch(&move_all(load)).await?;
    results.iter().flatten().map(|row| super::integer(row, 0)).collect()
}

static FIRST: LazyLock<String> = LazyLock::new(|| format!("{IDENTITY};{}", *stage::EMPTY));

/// What the ledger says of the sessions of a batch: one call for each site.
async fn known(
    connection: &mut Connection,
    batch: &[Incoming],
) -> Result<HashMap<Key, LedgerRow>, Fault> {
    let mut sites: BTreeMap<&SiteHost, HashMap<&str, &Incoming>> = BTreeMap::new();
    for incoming in batch {
        sites.entry(&incoming.site).or_default().insert(incoming.lsid.as_str(), incoming);
    }
    let mut ledger = HashMap::new();
    for (site, asked) in sites {
        let lsids: Vec<&str> = asked.keys().copied().collect();
        for lsids in lsids.chunks(ASKED_MAX) {
            for row in ask(connection, site, lsids).await? {
                let lsid = string(&row, 0)?;
                let Some(incoming) = asked.get(lsid.as_str()) else {
                    return Err(Fault::Damaged { what: "LSID", text: lsid });
                };
                ledger.insert(
                    (incoming.site.clone(), incoming.lsid.clone()),
                    ledger_row_of(&row, 1)?,
                );
            }
        }
    }
    Ok(ledger)
}

/// The number of parameters is a power of two, the last LSID repeated, so that the server knows few statements.
async fn ask(
    connection: &mut Connection,
    site: &SiteHost,
    lsids: &[&str],
) -> Result<Vec<tiberius::Row>, Fault> {
    let count = lsids.len().next_power_of_two();
    let mut parameters = vec![site.as_str()];
    parameters.extend(lsids);
    parameters.resize(1 + count, lsids.last().copied().unwrap_or_default());
    let places: Vec<String> = (2..count + 2).map(|place| format!("@P{place}")).collect();
    let sql = format!(
        "SELECT lsid, epoch, log_position, content_digest, session_id FROM dbo.sluice_ledger
         WHERE host_name = @P1 AND lsid IN ({})",
        places.join(", ")
    );
    connection.query(&sql, &parameters).await
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
fn move_all(load: &Load<'_>) -> String {
    let mut sql = String::new();
    if load.kinds.contains(&kind_of(&SESSION)) {
        sql.push_str(&OURS_NOW);
    }
    if load.replaces {
        sql.push_str(&REPLACED_SESSIONS);
    }
    for (table, statements) in MOVES.iter() {
        if load.kinds.contains(&kind_of(table)) {
            sql.push_str(statements);
        }
    }
    if load.kinds.contains(&LEDGER_KNOWN) {
        sql.push_str(&LEDGER_CHANGES);
    }
    if load.kinds.contains(&LEDGER_NEW) {
        sql.push_str(&LEDGER_INSERTS);
    }
    if load.is_direct() {
        sql.push_str("SELECT id FROM #sluice_new_event ORDER BY id;");
    }
    sql
}

/// What is written is no more another program's. Of a ledger that a person emptied, it may be left that it was.
static OURS_NOW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "DELETE a FROM dbo.sluice_adopted a
             JOIN {loaded} t ON CAST(t.{host_name} AS nvarchar(255)) = a.host_name
                 AND CAST(t.{lsid} AS nvarchar(200)) = a.lsid
             WHERE t.kind = {kind};",
        loaded = Stage::of(&SESSION).name,
        kind = kind_of(&SESSION),
        lsid = slot_of(&SESSION, SESSION.place("lsid")),
        host_name = slot_of(&SESSION, SESSION.place("host_name")),
    )
});

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

/// Sessions that keep their id; where a person deleted one, it comes back as a new one, also if the database gave its
/// number to another session meanwhile.
fn replaced_sessions() -> String {
    let mut sql = format!(
        "INSERT INTO #sluice_id (ord, id)
             SELECT t.ord, s.id FROM {loaded} t JOIN dbo.session s ON s.id = t.parent
                 AND s.lsid COLLATE Latin1_General_BIN2 = t.{lsid}
                 AND LOWER(s.host_name COLLATE Latin1_General_BIN2) = t.{host_name}
             WHERE t.kind = {kind};
         UPDATE s SET {assignments} FROM dbo.session s
             JOIN #sluice_id i ON i.id = s.id
             JOIN {loaded} t ON t.ord = i.ord
             WHERE t.kind = {kind};
",
        loaded = Stage::of(&SESSION).name,
        kind = kind_of(&SESSION),
        lsid = slot_of(&SESSION, SESSION.place("lsid")),
        host_name = slot_of(&SESSION, SESSION.place("host_name")),
        assignments = SESSION.assignments(|place, _| format!("t.{}", slot_of(&SESSION, place))),
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
        "{} t WHERE t.kind = {} AND NOT EXISTS (SELECT 1 FROM #sluice_id i WHERE i.ord = t.ord)",
        Stage::of(&SESSION).name,
        kind_of(&SESSION)
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
        values = slots(&SESSION),
    )
}

fn children(table: &Table, output: &str, parents: &str, parent_place: &str) -> String {
    format!(
        "INSERT INTO dbo.[{name}] ({reference}{columns}) {output}
             SELECT p.id, {values} FROM {loaded} t JOIN {parents} p ON {parent_place} = t.parent
             WHERE t.kind = {kind} ORDER BY t.ord;",
        name = table.name,
        reference = table.parent_column(),
        columns = table.column_list(""),
        values = slots(table),
        loaded = Stage::of(table).name,
        kind = kind_of(table),
    )
}

fn slots(table: &Table) -> String {
    let slots: Vec<String> =
        (0..table.columns.len()).map(|place| format!("t.{}", slot_of(table, place))).collect();
    slots.join(", ")
}

/// Texts in a stage have no length, and such are compared without the help of an index.
const ENTRY: &str = "CAST(c1 AS nvarchar(255)) AS host_name, CAST(c2 AS nvarchar(200)) AS lsid,
    c3 AS content_digest, n1 AS epoch, n2 AS log_position";

static LEDGER_CHANGES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE g SET g.epoch = n.epoch, g.log_position = n.log_position,
                      g.content_digest = n.content_digest,
                      g.session_id = COALESCE(i.id, g.session_id),
                      g.stored_at = CASE WHEN i.id IS NULL THEN g.stored_at ELSE SYSUTCDATETIME() END
             FROM dbo.sluice_ledger g
             JOIN (SELECT ord, {ENTRY} FROM #sluice_row WHERE kind = {LEDGER_KNOWN}) n
                 ON n.host_name = g.host_name AND n.lsid = g.lsid
             LEFT JOIN #sluice_id i ON i.ord = n.ord;"
    )
});

static LEDGER_INSERTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO dbo.sluice_ledger (host_name, lsid, epoch, log_position, content_digest, session_id)
             SELECT n.host_name, n.lsid, n.epoch, n.log_position, n.content_digest, i.id
             FROM (SELECT ord, {ENTRY} FROM #sluice_row WHERE kind = {LEDGER_NEW}) n
             JOIN #sluice_id i ON i.ord = n.ord;"
    )
});
