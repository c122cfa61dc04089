-- Which files were moved, deleted, uploaded or downloaded in a period, by whom?
SELECT e.event_time, e.type, e.performed_by, s.lsid, d.name, d.value
FROM session_event e
JOIN session s ON s.id = e.session_id
LEFT JOIN session_event_data d ON d.session_event_id = e.id AND d.name IN ('filename', 'filesize', 'old_path', 'new_path')
WHERE e.type IN ('File Upload', 'File Download', 'File Moved', 'File Deleted', 'File Upload Failed', 'File Download Failed')
  AND e.event_time >= '2026-11-01' AND e.event_time < '2026-12-01'
ORDER BY e.event_time, e.id, d.id;
