-- Which sessions took place on one day, who was in them, and what did they reach?
DECLARE @from datetime2(0) = '2026-11-22';
DECLARE @until datetime2(0) = '2026-11-23';

SELECT s.lsid, s.host_name AS site, s.start_time, s.end_time, s.duration,
       r.user_name, r.display_name AS user_display_name, c.host_name AS endpoint
FROM dbo.session s
LEFT JOIN dbo.representative r ON r.session_id = s.id AND r.is_primary = 1
LEFT JOIN dbo.customer c ON c.session_id = s.id
WHERE s.start_time >= @from AND s.start_time < @until
ORDER BY s.start_time, s.id;
