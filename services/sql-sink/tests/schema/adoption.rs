use domain::{Lsid, SiteHost};
use sql_sink::store::{
    Dump, Found, Incoming, Migrate, Schema, SqlServer, Sqlite, Store, StoreError, Written,
};

use crate::sessions::{expectation, incoming};
use crate::{definitions, dumped, file, run, server, write};

/// As another program may have left it: ids and times of other types, short texts, keys that do not cascade, columns of
/// newer versions missing; one session twice.
const OTHERS: &str = "
    CREATE TABLE session (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, lsid nvarchar(64) NOT NULL, [type] nvarchar(50) NULL,
        start_time datetime NULL, end_time datetime NULL, duration nvarchar(20) NULL, file_transfers int NULL,
        host_name nvarchar(255) NULL, external_key nvarchar(255) NULL, public_site_id int NULL,
        public_site_name nvarchar(255) NULL, lseq int NULL);
    CREATE TABLE session_event (id int IDENTITY(1,1) NOT NULL PRIMARY KEY,
        session_id int NOT NULL CONSTRAINT fk_theirs REFERENCES session (id), [type] nvarchar(100) NULL, event_time datetime NULL,
        performed_by nvarchar(100) NULL, performed_by_type nvarchar(50) NULL, destination nvarchar(100) NULL,
        destination_type nvarchar(50) NULL);
    CREATE TABLE session_event_data (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, session_event_id int NOT NULL,
        name nvarchar(100) NULL, value nvarchar(max) NULL);
    CREATE TABLE system_information (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, session_event_id int NOT NULL,
        category nvarchar(100) NULL, information nvarchar(max) NULL);
    CREATE TABLE representative (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, gs_number int NULL, session_id int NOT NULL,
        user_id nvarchar(50) NULL, user_name nvarchar(50) NULL, display_name nvarchar(50) NULL,
        public_ip nvarchar(50) NULL, private_ip nvarchar(50) NULL, is_owner bit NULL, is_primary bit NULL,
        duration int NULL, host_name nvarchar(50) NULL, operating_system nvarchar(50) NULL);
    CREATE TABLE customer (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, session_id int NOT NULL, gs_number nvarchar(20) NULL,
        issue nvarchar(20) NULL, issue_description nvarchar(100) NULL, display_name nvarchar(50) NULL,
        company_name nvarchar(50) NULL, company_code nvarchar(50) NULL, public_ip nvarchar(50) NULL,
        private_ip nvarchar(50) NULL, host_name nvarchar(50) NULL, operating_system nvarchar(50) NULL);
    CREATE TABLE team (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, session_id int NOT NULL, team_id nvarchar(20) NULL,
        name nvarchar(50) NULL, is_primary bit NULL);";

const THEIR_SESSIONS: &str = "
    INSERT INTO session (lsid, type, start_time, host_name) VALUES ('S1', 'support', '2020-01-01 00:00:00', 'A.Example');
    INSERT INTO session (lsid, type, start_time, host_name) VALUES ('S2', 'support', '2020-01-01 00:00:00', 'a.example');
    INSERT INTO session (lsid, type, start_time, host_name) VALUES ('S2', 'support', '2020-01-01 00:00:00', 'a.example');
    INSERT INTO session (lsid, type, start_time, host_name) VALUES ('S3', 'support', '2020-01-01 00:00:00', 'b.example');
    INSERT INTO session_event (session_id, type, event_time) SELECT id, 'theirs', start_time FROM session;
    INSERT INTO session_event_data (session_event_id, name, value) SELECT id, 'theirs', 'x' FROM session_event;";

/// The sessions whose rows are another program's.
async fn theirs<S: Store>(store: &S) -> Vec<String> {
    let sites = ["a.example", "b.example"].map(|site| site.parse().expect("a host"));
    let of_site = |site: &SiteHost| {
        ["S1", "S2", "S3"].map(|lsid| (site.clone(), lsid.parse().expect("an LSID")))
    };
    let all: Vec<(SiteHost, Lsid)> = sites.iter().flat_map(of_site).collect();
    assert!(store.adopted(&[]).await.expect("a store that works").is_empty());
    let adopted = store.adopted(&all).await.expect("a store that works");
    adopted.into_iter().map(|(_, lsid)| lsid).collect()
}

/// What happens to the sessions of another program, whatever the engine.
async fn adopts<S: Store>(store: &S) {
    let before = dumped(store).await;
    let first = incoming("a.example", "S1", 5, "from the log");
    let double = incoming("a.example", "S2", 6, "from the log");
    let fresh = incoming("a.example", "S3", 7, "of this site, and new");
    let batch = [first.clone(), double, fresh.clone()];
    let written = store.write(&batch).await.expect("a store that works");
    assert_eq!(written, [Written::Unchanged, Written::Unchanged, Written::Inserted]);
    assert_eq!(store.write(&batch).await.expect("a repeat"), [Written::Unchanged; 3]);
    let after = dumped(store).await;
    let count = |dump: &Dump| dump.tables[0].1.len();
    assert_eq!(count(&after), count(&before) + 1, "{after}");
    for line in before.tables.iter().flat_map(|(_, lines)| lines) {
        assert!(after.to_string().contains(line.as_str()), "it is as it was: {line}");
    }
    let row = store.ledger(&first.site, &first.lsid).await.expect("a ledger").expect("adopted");
    assert_eq!((row.revision, row.content, row.session_id), (first.revision, first.content, 1));

    // An older revision changes nothing, a later one says what the log says, and keeps the id.
    assert_eq!(write(store, &incoming("a.example", "S1", 4, "older")).await, Written::Older);
    let later = incoming("a.example", "S1", 8, "later");
    assert_eq!(write(store, &later).await, Written::Replaced);
    let now = store.ledger(&later.site, &later.lsid).await.expect("a ledger").expect("a row");
    assert_eq!(now.session_id, 1);
    assert_eq!(theirs(store).await, ["S2"], "what was written since is no more another program's");
    // A person's refresh writes what is there already, and also what was never adopted before.
    let refreshed = Incoming { even_if_done: true, ..incoming("b.example", "S3", 9, "refreshed") };
    assert_eq!(write(store, &refreshed).await, Written::Replaced);
    assert_eq!(theirs(store).await, ["S2"]);
    let only = [("a.example".parse().expect("a host"), "S1".parse().expect("an LSID"))];
    assert!(store.adopted(&only).await.expect("a store that works").is_empty());
    let dump = dumped(store).await.to_string();
    for ours in expectation(&[later, fresh, refreshed]).iter().flat_map(|(_, lines)| lines) {
        assert!(dump.contains(ours.as_str()), "{ours} in {dump}");
    }
    assert_eq!(
        dump.matches("\"theirs\" | \"x\"").count(),
        2,
        "only the two of S2 are left: {dump}"
    );
}

const FOUND: Found = Found { sessions: 4, doubles: 1 };

#[tokio::test]
async fn a_database_that_another_program_filled_is_adopted_by_a_person_and_doubles_nothing() {
    let Some(database) = server().await else { return };
    let connection = database.connection();
    run(&database, OTHERS).await;
    run(&database, THEIR_SESSIONS).await;
    let error =
        SqlServer::open(&connection).await.expect_err("nobody said that it is to be adopted");
    assert!(matches!(error, StoreError::Unadopted { .. }), "{error:?}");
    assert!(error.to_string().contains("--plan"), "{error}");

    let before = definitions(&database).await;
    let plan = SqlServer::migrate(&connection, Migrate::Plan).await.expect("a plan");
    assert_eq!(plan.adopts, Some(FOUND));
    assert_eq!(definitions(&database).await, before, "a plan changes nothing");
    let steps: Vec<&str> = plan.steps.iter().map(|step| step.what.as_str()).collect();
    for expected in [
        "add the column jump_group_id to session",
        "widen session.type, a nvarchar(50)",
        "let rows of session_event go with the rows that they belong to",
        "make the table custom_attribute",
        "migration 1 (tables)",
    ] {
        assert!(steps.contains(&expected), "{expected} in {steps:?}");
    }
    let done = SqlServer::migrate(&connection, Migrate::Apply).await.expect("it can be adopted");
    assert_eq!(done, plan);
    let store = SqlServer::open_with(&connection, Schema::AsItIs).await.expect("it is ours");
    adopts(&store).await;

    // Beside ids of their type, a table that was lost has to have that type, too.
    let before = dumped(&store).await.tables[0].1.clone();
    run(&database, "DROP TABLE custom_attribute; DROP TABLE session_event_data; DROP TABLE team")
        .await;
    let plan = SqlServer::migrate(&connection, Migrate::Plan).await.expect("a plan");
    let lost = ["team", "custom_attribute", "session_event_data"];
    assert_eq!(plan.lost, lost);
    for table in lost {
        let made = format!("make the table {table}");
        assert!(plan.steps.iter().any(|step| step.what == made), "{made} in {plan:?}");
    }
    let anew = SqlServer::open(&connection).await.expect("they can be made");
    let asked = Incoming { even_if_done: true, ..incoming("a.example", "S1", 8, "later") };
    assert_eq!(write(&anew, &asked).await, Written::Replaced);
    let after = dumped(&anew).await;
    assert_eq!(after.tables[0].1, before);
    for (table, lines) in expectation(&[asked]).iter().filter(|(table, _)| lost.contains(table)) {
        let (_, found) = after.tables.iter().find(|(name, _)| name == table).expect("a table");
        assert_eq!(found, lines, "{table}");
    }
    drop((store, anew));
    database.dropped().await;
}

#[tokio::test]
async fn a_file_whose_ledger_is_gone_is_adopted_in_the_same_way() {
    let file = file();
    drop(Sqlite::open(&file.path).await.expect("a new file"));
    let own = ["migration", "ledger", "database", "route", "adoption", "adopted"];
    for table in own {
        file.execute(&format!("DROP TABLE sluice_{table}"));
    }
    file.execute("ALTER TABLE session DROP COLUMN jump_group_type");
    file.execute(THEIR_SESSIONS);
    let error = Sqlite::open(&file.path).await.expect_err("nobody said that it is to be adopted");
    assert!(matches!(error, StoreError::Unadopted { .. }), "{error:?}");
    let plan = Sqlite::migrate(&file.path, Migrate::Plan).await.expect("a plan");
    assert_eq!(plan.adopts, Some(FOUND));
    assert_eq!(plan.steps[0].what, "add the column jump_group_type to session");
    assert_eq!(plan.steps.len(), 4);
    Sqlite::migrate(&file.path, Migrate::Apply).await.expect("it can be adopted");
    adopts(&Sqlite::open(&file.path).await.expect("it is ours")).await;
}

/// By the rules of Turkish the small letter of I has no dot.
#[tokio::test]
async fn a_host_name_in_capitals_is_found_whatever_language_its_column_speaks() {
    let Some(database) = server().await else { return };
    let (named, turkish) =
        ("host_name nvarchar(255) NULL, external", " COLLATE Turkish_CI_AS NULL, external");
    let tables = OTHERS.replacen(named, &named.replace(" NULL, external", turkish), 1);
    assert_ne!(tables, OTHERS);
    run(&database, &tables).await;
    run(&database, "INSERT INTO session (lsid, host_name) VALUES ('S1', 'SITE.EXAMPLE')").await;
    SqlServer::migrate(&database.connection(), Migrate::Apply).await.expect("it is adopted");
    let store = SqlServer::open(&database.connection()).await.expect("a database");
    let first = incoming("site.example", "S1", 1, "first");
    assert_eq!(write(&store, &first).await, Written::Unchanged);
    assert!(store.ledger_page(None, 1).await.expect("a ledger")[0].has_session);
    assert_eq!(store.strays(0, 10).await.expect("sessions"), []);
    assert_eq!(
        write(&store, &incoming("site.example", "S1", 2, "second")).await,
        Written::Replaced
    );
    assert_eq!(dumped(&store).await.tables[0].1.len(), 1);
    drop(store);
    database.dropped().await;
}
