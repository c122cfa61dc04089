-- Sessions whose rows another program wrote, and nobody since: they need not say what our reports say. Those that
-- were adopted before there was this table are not in it: which of them were written since is not known, and a
-- difference that is told of one can be looked at, while one that is passed over is never seen.
CREATE TABLE IF NOT EXISTS sluice_adopted (
    host_name TEXT NOT NULL,
    lsid      TEXT NOT NULL,
    PRIMARY KEY (host_name, lsid)
) WITHOUT ROWID;
