-- What happened in one session, step by step?
DECLARE @lsid nvarchar(400) = N'S1';

SELECT e.event_time, e.[type], e.performed_by, e.performed_by_type, e.destination, d.[name], d.[value]
FROM dbo.session s
JOIN dbo.session_event e ON e.session_id = s.id
LEFT JOIN dbo.session_event_data d ON d.session_event_id = e.id
WHERE s.lsid = @lsid
ORDER BY e.id, d.id;
