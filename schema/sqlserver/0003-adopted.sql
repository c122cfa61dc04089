-- Sessions whose rows another program wrote, and nobody since: they need not say what our reports say.
IF OBJECT_ID(N'dbo.sluice_adopted', N'U') IS NULL
    CREATE TABLE dbo.sluice_adopted (
        host_name nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
        lsid      nvarchar(200) COLLATE Latin1_General_BIN2 NOT NULL,
        CONSTRAINT pk_sluice_adopted PRIMARY KEY NONCLUSTERED (host_name, lsid)
    );
