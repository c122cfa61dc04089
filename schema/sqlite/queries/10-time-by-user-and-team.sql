-- How many sessions and how many hours did each user spend in a period?
SELECT r.user_name, COUNT(DISTINCT s.id) AS sessions, SUM(r.duration) / 3600.0 AS hours,
       COUNT(DISTINCT c.host_name) AS endpoints
FROM representative r
JOIN session s ON s.id = r.session_id
LEFT JOIN customer c ON c.session_id = s.id
WHERE s.start_time >= '2026-11-01' AND s.start_time < '2026-12-01'
GROUP BY r.user_name
ORDER BY hours DESC, r.user_name;
