-- The eight tables that reports are written against. Their names and columns are the appliance vendor's; types,
-- keys and indexes are ours. Text has no length: what an appliance reports is neither cut nor refused.

IF OBJECT_ID(N'dbo.session', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.session (
        id               bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_session PRIMARY KEY,
        lsid             nvarchar(200) COLLATE Latin1_General_BIN2 NOT NULL,
        [type]           nvarchar(max) NULL,
        start_time       datetime2(0) NULL,
        end_time         datetime2(0) NULL,
        duration         nvarchar(max) NULL,
        file_transfers   bigint NULL,
        host_name        nvarchar(255) NOT NULL,
        external_key     nvarchar(max) NULL,
        public_site_id   bigint NULL CONSTRAINT df_session_public_site_id DEFAULT 1,
        public_site_name nvarchar(max) NULL CONSTRAINT df_session_public_site_name DEFAULT N'Default',
        lseq             bigint NULL,
        jump_group_id    nvarchar(max) NULL,
        jump_group_name  nvarchar(max) NULL,
        jump_group_type  nvarchar(max) NULL
    );
    CREATE INDEX session_lsid ON dbo.session (lsid, host_name);
    CREATE INDEX session_start_time ON dbo.session (start_time);
    CREATE INDEX session_end_time ON dbo.session (end_time);
END;

IF OBJECT_ID(N'dbo.session_event', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.session_event (
        id                bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_session_event PRIMARY KEY,
        session_id        bigint NOT NULL
            CONSTRAINT fk_session_event_session REFERENCES dbo.session (id) ON DELETE CASCADE,
        [type]            nvarchar(max) NULL,
        event_time        datetime2(0) NULL,
        performed_by      nvarchar(max) NULL,
        performed_by_type nvarchar(max) NULL,
        destination       nvarchar(max) NULL,
        destination_type  nvarchar(max) NULL
    );
    CREATE INDEX session_event_session ON dbo.session_event (session_id);
END;

IF OBJECT_ID(N'dbo.session_event_data', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.session_event_data (
        id               bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_session_event_data PRIMARY KEY,
        session_event_id bigint NOT NULL
            CONSTRAINT fk_session_event_data_event REFERENCES dbo.session_event (id) ON DELETE CASCADE,
        [name]           nvarchar(max) NULL,
        [value]          nvarchar(max) NULL
    );
    CREATE INDEX session_event_data_event ON dbo.session_event_data (session_event_id);
END;

IF OBJECT_ID(N'dbo.system_information', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.system_information (
        id               bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_system_information PRIMARY KEY,
        session_event_id bigint NOT NULL
            CONSTRAINT fk_system_information_event REFERENCES dbo.session_event (id) ON DELETE CASCADE,
        category         nvarchar(max) NULL,
        information      nvarchar(max) NULL
    );
    CREATE INDEX system_information_event ON dbo.system_information (session_event_id);
END;

IF OBJECT_ID(N'dbo.representative', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.representative (
        id                  bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_representative PRIMARY KEY,
        gs_number           nvarchar(max) NULL,
        session_id          bigint NOT NULL
            CONSTRAINT fk_representative_session REFERENCES dbo.session (id) ON DELETE CASCADE,
        user_id             nvarchar(max) NULL,
        user_name           nvarchar(max) NULL,
        display_name        nvarchar(max) NULL,
        public_display_name nvarchar(max) NULL,
        display_number      nvarchar(max) NULL,
        public_ip           nvarchar(max) NULL,
        private_ip          nvarchar(max) NULL,
        is_owner            bigint NULL,
        is_primary          bigint NULL,
        duration            bigint NULL,
        host_name           nvarchar(max) NULL,
        operating_system    nvarchar(max) NULL
    );
    CREATE INDEX representative_session ON dbo.representative (session_id);
END;

IF OBJECT_ID(N'dbo.customer', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.customer (
        id                bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_customer PRIMARY KEY,
        session_id        bigint NOT NULL
            CONSTRAINT fk_customer_session REFERENCES dbo.session (id) ON DELETE CASCADE,
        gs_number         nvarchar(max) NULL,
        issue             nvarchar(max) NULL,
        issue_description nvarchar(max) NULL,
        display_name      nvarchar(max) NULL,
        company_name      nvarchar(max) NULL,
        company_code      nvarchar(max) NULL,
        public_ip         nvarchar(max) NULL,
        private_ip        nvarchar(max) NULL,
        rpat_support      bigint NULL,
        host_name         nvarchar(max) NULL,
        operating_system  nvarchar(max) NULL
    );
    CREATE INDEX customer_session ON dbo.customer (session_id);
END;

IF OBJECT_ID(N'dbo.team', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.team (
        id         bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_team PRIMARY KEY,
        session_id bigint NOT NULL
            CONSTRAINT fk_team_session REFERENCES dbo.session (id) ON DELETE CASCADE,
        team_id    nvarchar(max) NULL,
        [name]     nvarchar(max) NULL,
        is_primary bigint NULL
    );
    CREATE INDEX team_session ON dbo.team (session_id);
END;

IF OBJECT_ID(N'dbo.custom_attribute', N'U') IS NULL
BEGIN
    CREATE TABLE dbo.custom_attribute (
        id           bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_custom_attribute PRIMARY KEY,
        session_id   bigint NOT NULL
            CONSTRAINT fk_custom_attribute_session REFERENCES dbo.session (id) ON DELETE CASCADE,
        display_name nvarchar(max) NULL,
        code_name    nvarchar(max) NULL,
        [value]      nvarchar(max) NULL
    );
    CREATE INDEX custom_attribute_session ON dbo.custom_attribute (session_id);
END;

-- One product's guide speaks of users and endpoints where the other has representatives and customers.
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

-- What is ours. No foreign key to session: where a person deletes a session, the ledger remembers that it was
-- delivered, and a redelivered message does not bring it back. The keys are not clustered: those may have 900 bytes,
-- and a host name beside an LSID may need more.
IF OBJECT_ID(N'dbo.sluice_ledger', N'U') IS NULL
    CREATE TABLE dbo.sluice_ledger (
        host_name      nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
        lsid           nvarchar(200) COLLATE Latin1_General_BIN2 NOT NULL,
        epoch          bigint NOT NULL,
        log_position   bigint NOT NULL,
        content_digest nvarchar(64) NOT NULL,
        session_id     bigint NOT NULL,
        stored_at      datetime2(0) NOT NULL CONSTRAINT df_sluice_ledger_stored_at DEFAULT SYSUTCDATETIME(),
        CONSTRAINT pk_sluice_ledger PRIMARY KEY NONCLUSTERED (host_name, lsid)
    );

IF OBJECT_ID(N'dbo.sluice_database', N'U') IS NULL
    CREATE TABLE dbo.sluice_database (
        one int NOT NULL CONSTRAINT pk_sluice_database PRIMARY KEY,
        id  nvarchar(32) NOT NULL,
        CONSTRAINT ck_sluice_database_one CHECK (one = 1)
    );

IF OBJECT_ID(N'dbo.sluice_route', N'U') IS NULL
    CREATE TABLE dbo.sluice_route (
        route        nvarchar(800) COLLATE Latin1_General_BIN2 NOT NULL,
        log_position bigint NOT NULL,
        CONSTRAINT pk_sluice_route PRIMARY KEY NONCLUSTERED (route)
    );
