-- How many sessions and how many hours did each user spend in a period, on how many endpoints?
DECLARE @from datetime2(0) = '2026-11-01';
DECLARE @until datetime2(0) = '2026-12-01';

WITH spent AS (
    SELECT r.user_name, r.session_id, SUM(r.duration) AS seconds
    FROM dbo.representative r
    JOIN dbo.session s ON s.id = r.session_id
    WHERE s.start_time >= @from AND s.start_time < @until
    GROUP BY r.user_name, r.session_id
)
SELECT t.user_name, COUNT(*) AS sessions, SUM(t.seconds) / 3600.0 AS hours,
       (SELECT COUNT(DISTINCT c.host_name) FROM dbo.customer c JOIN spent o ON o.session_id = c.session_id
        WHERE EXISTS (SELECT o.user_name INTERSECT SELECT t.user_name)) AS endpoints
FROM spent t
GROUP BY t.user_name
ORDER BY hours DESC, t.user_name;
