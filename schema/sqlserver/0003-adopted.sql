-- Sessions whose rows another program wrote, and nobody since: they need not say what our reports say. Those that
-- were adopted before there was this table are not in it: which of them were written since is not known, and a
-- difference that is told of one can be looked at, while one that is passed over is never seen.
IF OBJECT_ID(N'dbo.sluice_adopted', N'U') IS NULL
    CREATE TABLE dbo.sluice_adopted (
        host_name nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
        lsid      nvarchar(200) COLLATE Latin1_General_BIN2 NOT NULL,
        CONSTRAINT pk_sluice_adopted PRIMARY KEY NONCLUSTERED (host_name, lsid)
    );
