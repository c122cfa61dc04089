-- Is everything here that was delivered: does each session that the ledger names stand in its table?
SELECT g.host_name, g.lsid, g.session_id, g.stored_at
FROM dbo.sluice_ledger g
LEFT JOIN dbo.session s ON s.id = g.session_id
WHERE s.id IS NULL
ORDER BY g.host_name, g.lsid;
