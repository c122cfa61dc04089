-- Which sessions began outside of working hours (UTC), or on a weekend?
DECLARE @from datetime2(0) = '2026-11-01';
DECLARE @until datetime2(0) = '2026-12-01';

SELECT s.lsid, s.start_time, r.user_name, c.host_name AS endpoint
FROM dbo.session s
LEFT JOIN dbo.representative r ON r.session_id = s.id AND r.is_primary = 1
LEFT JOIN dbo.customer c ON c.session_id = s.id
WHERE s.start_time >= @from AND s.start_time < @until
  -- Day 0 was a Monday: this does not depend on the server's language.
  AND (DATEPART(hour, s.start_time) NOT BETWEEN 7 AND 18 OR DATEDIFF(day, '19000101', s.start_time) % 7 IN (5, 6))
ORDER BY s.start_time, s.id;
