-- Indexes that the obvious questions need: by time, site, external key, event type, person, endpoint.
--
-- A column without a length can't be a key of an index, so the columns that people search get one: 400 characters are
-- what every version of the server takes in a key. A column that holds a longer text already stays as it is, without an
-- index; one that is to hold a longer text later is widened again by the sink, and its index goes.
-- A table that was here before may have such an index under another name: what counts is its first column.

-- Views name the columns that change. They are made again below.
IF COL_LENGTH(N'dbo.representative', N'user_name') = -1 AND OBJECT_ID(N'dbo.[user]', N'V') IS NOT NULL
    DROP VIEW dbo.[user];

IF COL_LENGTH(N'dbo.customer', N'host_name') = -1 AND OBJECT_ID(N'dbo.endpoint', N'V') IS NOT NULL
    DROP VIEW dbo.endpoint;

DECLARE @first TABLE (table_id int NOT NULL, column_name nvarchar(128) NOT NULL);
INSERT INTO @first (table_id, column_name)
    SELECT i.object_id, c.name
    FROM sys.index_columns i
    JOIN sys.columns c ON c.object_id = i.object_id AND c.column_id = i.column_id
    WHERE i.key_ordinal = 1;

IF COL_LENGTH(N'dbo.session', N'external_key') = -1
    AND NOT EXISTS (SELECT 1 FROM dbo.session WHERE LEN(external_key + N'.') > 401)
BEGIN
    ALTER TABLE dbo.session ALTER COLUMN external_key nvarchar(400);
    CREATE INDEX session_external_key ON dbo.session (external_key);
END
ELSE IF COL_LENGTH(N'dbo.session', N'external_key') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session') AND column_name = N'external_key')
    CREATE INDEX session_external_key ON dbo.session (external_key);

IF COL_LENGTH(N'dbo.session_event', N'type') = -1
    AND NOT EXISTS (SELECT 1 FROM dbo.session_event WHERE LEN([type] + N'.') > 401)
BEGIN
    ALTER TABLE dbo.session_event ALTER COLUMN [type] nvarchar(400);
    CREATE INDEX session_event_type ON dbo.session_event ([type], event_time);
END
ELSE IF COL_LENGTH(N'dbo.session_event', N'type') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session_event') AND column_name = N'type')
    CREATE INDEX session_event_type ON dbo.session_event ([type], event_time);

IF COL_LENGTH(N'dbo.representative', N'user_name') = -1
    AND NOT EXISTS (SELECT 1 FROM dbo.representative WHERE LEN(user_name + N'.') > 401)
BEGIN
    ALTER TABLE dbo.representative ALTER COLUMN user_name nvarchar(400);
    CREATE INDEX representative_user_name ON dbo.representative (user_name);
END
ELSE IF COL_LENGTH(N'dbo.representative', N'user_name') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.representative') AND column_name = N'user_name')
    CREATE INDEX representative_user_name ON dbo.representative (user_name);

IF COL_LENGTH(N'dbo.customer', N'host_name') = -1
    AND NOT EXISTS (SELECT 1 FROM dbo.customer WHERE LEN(host_name + N'.') > 401)
BEGIN
    ALTER TABLE dbo.customer ALTER COLUMN host_name nvarchar(400);
    CREATE INDEX customer_host_name ON dbo.customer (host_name);
END
ELSE IF COL_LENGTH(N'dbo.customer', N'host_name') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.customer') AND column_name = N'host_name')
    CREATE INDEX customer_host_name ON dbo.customer (host_name);

IF COL_LENGTH(N'dbo.session', N'lsid') BETWEEN 1 AND 800
    AND COL_LENGTH(N'dbo.session', N'host_name') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session') AND column_name = N'lsid')
    CREATE INDEX session_lsid ON dbo.session (lsid, host_name);

IF COL_LENGTH(N'dbo.session', N'start_time') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session') AND column_name = N'start_time')
    CREATE INDEX session_start_time ON dbo.session (start_time);

IF COL_LENGTH(N'dbo.session', N'end_time') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session') AND column_name = N'end_time')
    CREATE INDEX session_end_time ON dbo.session (end_time);

IF COL_LENGTH(N'dbo.session', N'host_name') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session') AND column_name = N'host_name')
    CREATE INDEX session_host_name ON dbo.session (host_name, start_time);

IF COL_LENGTH(N'dbo.session_event', N'session_id') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session_event') AND column_name = N'session_id')
    CREATE INDEX session_event_session ON dbo.session_event (session_id);

IF COL_LENGTH(N'dbo.session_event_data', N'session_event_id') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.session_event_data') AND column_name = N'session_event_id')
    CREATE INDEX session_event_data_event ON dbo.session_event_data (session_event_id);

IF COL_LENGTH(N'dbo.system_information', N'session_event_id') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.system_information') AND column_name = N'session_event_id')
    CREATE INDEX system_information_event ON dbo.system_information (session_event_id);

IF COL_LENGTH(N'dbo.representative', N'session_id') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.representative') AND column_name = N'session_id')
    CREATE INDEX representative_session ON dbo.representative (session_id);

IF COL_LENGTH(N'dbo.customer', N'session_id') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.customer') AND column_name = N'session_id')
    CREATE INDEX customer_session ON dbo.customer (session_id);

IF COL_LENGTH(N'dbo.team', N'session_id') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.team') AND column_name = N'session_id')
    CREATE INDEX team_session ON dbo.team (session_id);

IF COL_LENGTH(N'dbo.custom_attribute', N'session_id') BETWEEN 1 AND 800 AND NOT EXISTS (
    SELECT 1 FROM @first WHERE table_id = OBJECT_ID(N'dbo.custom_attribute') AND column_name = N'session_id')
    CREATE INDEX custom_attribute_session ON dbo.custom_attribute (session_id);


IF OBJECT_ID(N'dbo.[user]', N'V') IS NULL
    EXEC (N'CREATE VIEW dbo.[user] AS
        SELECT id, gs_number, session_id, user_id, user_name, display_name, public_display_name, display_number,
               public_ip, private_ip, is_owner, is_primary, duration, host_name, operating_system
        FROM dbo.representative');

IF OBJECT_ID(N'dbo.endpoint', N'V') IS NULL
    EXEC (N'CREATE VIEW dbo.endpoint AS
        SELECT id, session_id, gs_number, issue, issue_description, display_name, company_name, company_code,
               public_ip, private_ip, rpat_support, host_name, operating_system
        FROM dbo.customer');

-- There is a row where the eight tables were somebody else's before, or where that is not known any more: each of their
-- sessions is then looked for before it is written for the first time.
IF OBJECT_ID(N'dbo.sluice_adoption', N'U') IS NULL
    CREATE TABLE dbo.sluice_adoption (
        one        int NOT NULL CONSTRAINT pk_sluice_adoption PRIMARY KEY,
        sessions   bigint NOT NULL,
        adopted_at datetime2(0) NOT NULL CONSTRAINT df_sluice_adoption_adopted_at DEFAULT SYSUTCDATETIME(),
        CONSTRAINT ck_sluice_adoption_one CHECK (one = 1)
    );
