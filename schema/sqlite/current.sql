-- The whole schema, as all migrations together leave it: to be read, and to be run by hand on an empty database where
-- sluice itself may make no tables.

CREATE TABLE sluice_migration (
    number     INTEGER NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL
);
INSERT INTO sluice_migration (number, name, applied_at)
VALUES (1, 'tables', datetime('now')), (2, 'indexes', datetime('now')),
       (3, 'adopted', datetime('now'));

-- The eight tables that reports are written against. Their names and columns are the appliance vendor's; types,
-- keys and indexes are ours. AUTOINCREMENT: an id that was given once is never given again.

CREATE TABLE session (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    lsid             TEXT NOT NULL,
    type             TEXT,
    start_time       TEXT, -- YYYY-MM-DD HH:MM:SS in UTC, as SQLite's own date functions take it
    end_time         TEXT,
    duration         TEXT,
    file_transfers   INTEGER,
    host_name        TEXT NOT NULL,
    external_key     TEXT,
    public_site_id   INTEGER DEFAULT 1,
    public_site_name TEXT DEFAULT 'Default',
    lseq             INTEGER,
    jump_group_id    TEXT,
    jump_group_name  TEXT,
    jump_group_type  TEXT
);
CREATE INDEX session_lsid ON session (lsid, host_name);
CREATE INDEX session_start_time ON session (start_time);
CREATE INDEX session_end_time ON session (end_time);
CREATE INDEX session_external_key ON session (external_key);
CREATE INDEX session_host_name ON session (host_name, start_time);

CREATE TABLE session_event (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    type              TEXT,
    event_time        TEXT,
    performed_by      TEXT,
    performed_by_type TEXT,
    destination       TEXT,
    destination_type  TEXT
);
CREATE INDEX session_event_session ON session_event (session_id);
CREATE INDEX session_event_type ON session_event (type, event_time);

CREATE TABLE session_event_data (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    session_event_id INTEGER NOT NULL REFERENCES session_event (id) ON DELETE CASCADE,
    name             TEXT,
    value            TEXT
);
CREATE INDEX session_event_data_event ON session_event_data (session_event_id);

CREATE TABLE system_information (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    session_event_id INTEGER NOT NULL REFERENCES session_event (id) ON DELETE CASCADE,
    category         TEXT,
    information      TEXT
);
CREATE INDEX system_information_event ON system_information (session_event_id);

CREATE TABLE representative (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    gs_number           TEXT,
    session_id          INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    user_id             TEXT,
    user_name           TEXT,
    display_name        TEXT,
    public_display_name TEXT,
    display_number      TEXT,
    public_ip           TEXT,
    private_ip          TEXT,
    is_owner            INTEGER,
    is_primary          INTEGER,
    duration            INTEGER,
    host_name           TEXT,
    operating_system    TEXT
);
CREATE INDEX representative_session ON representative (session_id);
CREATE INDEX representative_user_name ON representative (user_name);

CREATE TABLE customer (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    gs_number         TEXT,
    issue             TEXT,
    issue_description TEXT,
    display_name      TEXT,
    company_name      TEXT,
    company_code      TEXT,
    public_ip         TEXT,
    private_ip        TEXT,
    rpat_support      INTEGER,
    host_name         TEXT,
    operating_system  TEXT
);
CREATE INDEX customer_session ON customer (session_id);
CREATE INDEX customer_host_name ON customer (host_name);

CREATE TABLE team (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    team_id    TEXT,
    name       TEXT,
    is_primary INTEGER
);
CREATE INDEX team_session ON team (session_id);

CREATE TABLE custom_attribute (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id   INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    display_name TEXT,
    code_name    TEXT,
    value        TEXT
);
CREATE INDEX custom_attribute_session ON custom_attribute (session_id);

-- One product's guide speaks of users and endpoints where the other has representatives and customers.
CREATE VIEW [user] AS
    SELECT id, gs_number, session_id, user_id, user_name, display_name, public_display_name, display_number,
           public_ip, private_ip, is_owner, is_primary, duration, host_name, operating_system
    FROM representative;
CREATE VIEW endpoint AS
    SELECT id, session_id, gs_number, issue, issue_description, display_name, company_name, company_code,
           public_ip, private_ip, rpat_support, host_name, operating_system
    FROM customer;

-- What is ours. No foreign key to session: where a person deletes a session, the ledger remembers that it was
-- delivered, and a redelivered message does not bring it back.
CREATE TABLE sluice_ledger (
    host_name      TEXT NOT NULL,
    lsid           TEXT NOT NULL,
    epoch          INTEGER NOT NULL,
    log_position   INTEGER NOT NULL,
    content_digest TEXT NOT NULL,
    session_id     INTEGER NOT NULL,
    stored_at      TEXT NOT NULL,
    PRIMARY KEY (host_name, lsid)
) WITHOUT ROWID;

CREATE TABLE sluice_database (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT NOT NULL
);

CREATE TABLE sluice_route (
    route        TEXT NOT NULL PRIMARY KEY,
    log_position INTEGER NOT NULL
) WITHOUT ROWID;

-- There is a row where the eight tables were somebody else's before, or where that is not known any more: each of their
-- sessions is then looked for before it is written for the first time.
CREATE TABLE sluice_adoption (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    sessions   INTEGER NOT NULL,
    adopted_at TEXT NOT NULL
);

-- Sessions whose rows another program wrote, and nobody since: they need not say what our reports say.
CREATE TABLE sluice_adopted (
    host_name TEXT NOT NULL,
    lsid      TEXT NOT NULL,
    PRIMARY KEY (host_name, lsid)
) WITHOUT ROWID;
