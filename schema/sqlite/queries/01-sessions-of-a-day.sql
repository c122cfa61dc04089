-- Which sessions took place on one day, who was in them, and what did they reach?
SELECT s.lsid, s.host_name AS site, s.start_time, s.end_time, s.duration,
       r.user_name, r.display_name AS user_display_name, c.host_name AS endpoint
FROM session s
LEFT JOIN representative r ON r.session_id = s.id AND r.is_primary = 1
LEFT JOIN customer c ON c.session_id = s.id
WHERE s.start_time >= '2026-11-22' AND s.start_time < '2026-11-23'
ORDER BY s.start_time, s.id;
