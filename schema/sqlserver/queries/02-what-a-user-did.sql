-- What did one user do, session by session?
DECLARE @user_name nvarchar(400) = N'jane';

SELECT s.start_time, s.end_time, s.lsid, s.host_name AS site, c.host_name AS endpoint, r.is_owner, r.duration AS seconds
FROM dbo.representative r
JOIN dbo.session s ON s.id = r.session_id
LEFT JOIN dbo.customer c ON c.session_id = s.id
WHERE r.user_name = @user_name
ORDER BY s.start_time DESC, s.id DESC;
