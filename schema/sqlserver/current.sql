-- The whole schema, as all migrations together leave it: to be read, and to be run by hand on an empty database where
-- sluice itself may make no tables (sqlcmd and Management Studio understand GO).

CREATE TABLE dbo.sluice_migration (
    number     bigint NOT NULL CONSTRAINT pk_sluice_migration PRIMARY KEY,
    [name]     nvarchar(200) NOT NULL,
    applied_at datetime2(0) NOT NULL
        CONSTRAINT df_sluice_migration_applied_at DEFAULT SYSUTCDATETIME()
);
INSERT INTO dbo.sluice_migration (number, [name]) VALUES (1, N'tables'), (2, N'indexes'), (3, N'adopted');

-- The eight tables that reports are written against. Their names and columns are the appliance vendor's; types,
-- keys and indexes are ours. Text has no length: what an appliance reports is neither cut nor refused.

CREATE TABLE dbo.session (
    id               bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_session PRIMARY KEY,
    lsid             nvarchar(200) COLLATE Latin1_General_BIN2 NOT NULL,
    [type]           nvarchar(max) NULL,
    start_time       datetime2(0) NULL,
    end_time         datetime2(0) NULL,
    duration         nvarchar(max) NULL,
    file_transfers   bigint NULL,
    host_name        nvarchar(255) NOT NULL,
    external_key     nvarchar(400) NULL,
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
CREATE INDEX session_host_name ON dbo.session (host_name, start_time);
CREATE INDEX session_external_key ON dbo.session (external_key);

CREATE TABLE dbo.session_event (
    id                bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_session_event PRIMARY KEY,
    session_id        bigint NOT NULL
        CONSTRAINT fk_session_event_session REFERENCES dbo.session (id) ON DELETE CASCADE,
    [type]            nvarchar(400) NULL,
    event_time        datetime2(0) NULL,
    performed_by      nvarchar(max) NULL,
    performed_by_type nvarchar(max) NULL,
    destination       nvarchar(max) NULL,
    destination_type  nvarchar(max) NULL
);
CREATE INDEX session_event_session ON dbo.session_event (session_id);
CREATE INDEX session_event_type ON dbo.session_event ([type], event_time);

CREATE TABLE dbo.session_event_data (
    id               bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_session_event_data PRIMARY KEY,
    session_event_id bigint NOT NULL
        CONSTRAINT fk_session_event_data_event REFERENCES dbo.session_event (id) ON DELETE CASCADE,
    [name]           nvarchar(max) NULL,
    [value]          nvarchar(max) NULL
);
CREATE INDEX session_event_data_event ON dbo.session_event_data (session_event_id);

CREATE TABLE dbo.system_information (
    id               bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_system_information PRIMARY KEY,
    session_event_id bigint NOT NULL
        CONSTRAINT fk_system_information_event REFERENCES dbo.session_event (id) ON DELETE CASCADE,
    category         nvarchar(max) NULL,
    information      nvarchar(max) NULL
);
CREATE INDEX system_information_event ON dbo.system_information (session_event_id);

CREATE TABLE dbo.representative (
    id                  bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_representative PRIMARY KEY,
    gs_number           nvarchar(max) NULL,
    session_id          bigint NOT NULL
        CONSTRAINT fk_representative_session REFERENCES dbo.session (id) ON DELETE CASCADE,
    user_id             nvarchar(max) NULL,
    user_name           nvarchar(400) NULL,
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
CREATE INDEX representative_user_name ON dbo.representative (user_name);

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
    host_name         nvarchar(400) NULL,
    operating_system  nvarchar(max) NULL
);
CREATE INDEX customer_session ON dbo.customer (session_id);
CREATE INDEX customer_host_name ON dbo.customer (host_name);

CREATE TABLE dbo.team (
    id         bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_team PRIMARY KEY,
    session_id bigint NOT NULL
        CONSTRAINT fk_team_session REFERENCES dbo.session (id) ON DELETE CASCADE,
    team_id    nvarchar(max) NULL,
    [name]     nvarchar(max) NULL,
    is_primary bigint NULL
);
CREATE INDEX team_session ON dbo.team (session_id);

CREATE TABLE dbo.custom_attribute (
    id           bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_custom_attribute PRIMARY KEY,
    session_id   bigint NOT NULL
        CONSTRAINT fk_custom_attribute_session REFERENCES dbo.session (id) ON DELETE CASCADE,
    display_name nvarchar(max) NULL,
    code_name    nvarchar(max) NULL,
    [value]      nvarchar(max) NULL
);
CREATE INDEX custom_attribute_session ON dbo.custom_attribute (session_id);

-- One product's guide speaks of users and endpoints where the other has representatives and customers.
GO
CREATE VIEW dbo.[user] AS
    SELECT id, gs_number, session_id, user_id, user_name, display_name, public_display_name, display_number,
           public_ip, private_ip, is_owner, is_primary, duration, host_name, operating_system
    FROM dbo.representative;
GO
CREATE VIEW dbo.endpoint AS
    SELECT id, session_id, gs_number, issue, issue_description, display_name, company_name, company_code,
           public_ip, private_ip, rpat_support, host_name, operating_system
    FROM dbo.customer;
GO

-- What is ours. No foreign key to session: where a person deletes a session, the ledger remembers that it was
-- delivered, and a redelivered message does not bring it back. The keys are not clustered: those may have 900 bytes,
-- and a host name beside an LSID may need more.
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

CREATE TABLE dbo.sluice_database (
    one int NOT NULL CONSTRAINT pk_sluice_database PRIMARY KEY,
    id  nvarchar(32) NOT NULL,
    CONSTRAINT ck_sluice_database_one CHECK (one = 1)
);

CREATE TABLE dbo.sluice_route (
    route        nvarchar(800) COLLATE Latin1_General_BIN2 NOT NULL,
    log_position bigint NOT NULL,
    CONSTRAINT pk_sluice_route PRIMARY KEY NONCLUSTERED (route)
);

-- There is a row where the eight tables were somebody else's before, or where that is not known any more: each of their
-- sessions is then looked for before it is written for the first time.
CREATE TABLE dbo.sluice_adoption (
    one        int NOT NULL CONSTRAINT pk_sluice_adoption PRIMARY KEY,
    sessions   bigint NOT NULL,
    adopted_at datetime2(0) NOT NULL CONSTRAINT df_sluice_adoption_adopted_at DEFAULT SYSUTCDATETIME(),
    CONSTRAINT ck_sluice_adoption_one CHECK (one = 1)
);

-- Sessions whose rows another program wrote, and nobody since: they need not say what our reports say.
CREATE TABLE dbo.sluice_adopted (
    host_name nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
    lsid      nvarchar(200) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_sluice_adopted PRIMARY KEY NONCLUSTERED (host_name, lsid)
);
