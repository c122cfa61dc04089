-- Which files were moved, deleted, uploaded or downloaded in a period, by whom?
DECLARE @from datetime2(0) = '2026-11-01';
DECLARE @until datetime2(0) = '2026-12-01';

SELECT e.event_time, e.[type], e.performed_by, s.lsid, d.[name], d.[value]
FROM dbo.session_event e
JOIN dbo.session s ON s.id = e.session_id
LEFT JOIN dbo.session_event_data d ON d.session_event_id = e.id AND d.[name] IN (N'filename', N'filesize', N'old_path', N'new_path')
WHERE e.[type] IN (N'File Upload', N'File Download', N'File Moved', N'File Deleted', N'File Upload Failed', N'File Download Failed')
  AND e.event_time >= @from AND e.event_time < @until
ORDER BY e.event_time, e.id, d.id;
