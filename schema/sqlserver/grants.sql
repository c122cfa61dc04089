-- What the login of the sinks needs, and nothing more, on a database that `sluice migrate` (or current.sql) has prepared:
-- no right to make, change or drop anything. Put the name of its user in the place of sluice_sink.
--
--     CREATE LOGIN sluice_sink WITH PASSWORD = '...';
--     CREATE USER sluice_sink FOR LOGIN sluice_sink;

GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.session TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.session_event TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.session_event_data TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.system_information TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.representative TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.customer TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.team TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.custom_attribute TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.sluice_ledger TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.sluice_route TO sluice_sink;
GRANT SELECT, INSERT, UPDATE ON dbo.sluice_database TO sluice_sink;
GRANT SELECT ON dbo.sluice_adoption TO sluice_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.sluice_adopted TO sluice_sink;
GRANT SELECT ON dbo.sluice_migration TO sluice_sink;
