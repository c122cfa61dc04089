-- Sessions whose rows another program wrote, and nobody since: they need not say what our reports say.
CREATE TABLE IF NOT EXISTS sluice_adopted (
    host_name TEXT NOT NULL,
    lsid      TEXT NOT NULL,
    PRIMARY KEY (host_name, lsid)
) WITHOUT ROWID;
