-- How many sessions and how many hours did each user spend in a period, on how many endpoints?
WITH spent AS (
    SELECT r.user_name, r.session_id, SUM(r.duration) AS seconds
    FROM representative r
    JOIN session s ON s.id = r.session_id
    WHERE s.start_time >= '2026-11-01' AND s.start_time < '2026-12-01'
    GROUP BY r.user_name, r.session_id
)
SELECT t.user_name, COUNT(*) AS sessions, SUM(t.seconds) / 3600.0 AS hours,
       (SELECT COUNT(DISTINCT c.host_name) FROM customer c JOIN spent o ON o.session_id = c.session_id
        WHERE o.user_name IS t.user_name) AS endpoints
FROM spent t
GROUP BY t.user_name
ORDER BY hours DESC, t.user_name;
