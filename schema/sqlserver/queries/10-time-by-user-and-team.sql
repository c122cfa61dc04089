-- How many sessions and how many hours did each user spend in a period?
DECLARE @from datetime2(0) = '2026-11-01';
DECLARE @until datetime2(0) = '2026-12-01';

SELECT r.user_name, COUNT(DISTINCT s.id) AS sessions, SUM(r.duration) / 3600.0 AS hours,
       COUNT(DISTINCT c.host_name) AS endpoints
FROM dbo.representative r
JOIN dbo.session s ON s.id = r.session_id
LEFT JOIN dbo.customer c ON c.session_id = s.id
WHERE s.start_time >= @from AND s.start_time < @until
GROUP BY r.user_name
ORDER BY hours DESC, r.user_name;
