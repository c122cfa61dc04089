-- Where were shells opened, or registries changed, in a period?
DECLARE @from datetime2(0) = '2026-11-01';
DECLARE @until datetime2(0) = '2026-12-01';

SELECT e.event_time, e.[type], e.performed_by, c.host_name AS endpoint, s.lsid
FROM dbo.session_event e
JOIN dbo.session s ON s.id = e.session_id
LEFT JOIN dbo.customer c ON c.session_id = s.id
WHERE (e.[type] LIKE N'Command Shell%' OR e.[type] LIKE N'Remote Shell%' OR e.[type] LIKE N'Registry%')
  AND e.event_time >= @from AND e.event_time < @until
ORDER BY e.event_time, e.id;
