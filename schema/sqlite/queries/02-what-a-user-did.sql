-- What did one user do, session by session?
SELECT s.start_time, s.end_time, s.lsid, s.host_name AS site, c.host_name AS endpoint, r.is_owner, r.duration AS seconds
FROM representative r
JOIN session s ON s.id = r.session_id
LEFT JOIN customer c ON c.session_id = s.id
WHERE r.user_name = 'jane'
ORDER BY s.start_time DESC, s.id DESC;
