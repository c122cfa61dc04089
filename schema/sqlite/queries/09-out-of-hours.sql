-- Which sessions began outside of working hours (UTC), or on a weekend?
SELECT s.lsid, s.start_time, r.user_name, c.host_name AS endpoint
FROM session s
LEFT JOIN representative r ON r.session_id = s.id AND r.is_primary = 1
LEFT JOIN customer c ON c.session_id = s.id
WHERE s.start_time >= '2026-11-01' AND s.start_time < '2026-12-01'
  AND (strftime('%H', s.start_time) NOT BETWEEN '07' AND '18' OR strftime('%w', s.start_time) IN ('0', '6'))
ORDER BY s.start_time, s.id;
