-- Which sessions are open, or ended abnormally?
SELECT s.lsid, s.host_name AS site, s.start_time, r.user_name, c.host_name AS endpoint
FROM dbo.session s
LEFT JOIN dbo.representative r ON r.session_id = s.id AND r.is_primary = 1
LEFT JOIN dbo.customer c ON c.session_id = s.id
WHERE s.end_time IS NULL
ORDER BY s.start_time, s.id;
