-- Indexes that the obvious questions need: by time, site, external key, event type, person, endpoint.

CREATE INDEX IF NOT EXISTS session_host_name ON session (host_name, start_time);
CREATE INDEX IF NOT EXISTS session_event_type ON session_event (type, event_time);
CREATE INDEX IF NOT EXISTS representative_user_name ON representative (user_name);
CREATE INDEX IF NOT EXISTS customer_host_name ON customer (host_name);

-- There is a row where the eight tables were somebody else's before, or where that is not known any more: each of their
-- sessions is then looked for before it is written for the first time.
CREATE TABLE IF NOT EXISTS sluice_adoption (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    sessions   INTEGER NOT NULL,
    adopted_at TEXT NOT NULL
);
