-- Which sessions are open, or ended abnormally?
SELECT s.lsid, s.host_name AS site, s.start_time, r.user_name, c.host_name AS endpoint
FROM session s
LEFT JOIN representative r ON r.session_id = s.id AND r.is_primary = 1
LEFT JOIN customer c ON c.session_id = s.id
WHERE s.end_time IS NULL
ORDER BY s.start_time, s.id;
