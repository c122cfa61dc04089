-- Who has been on one endpoint, and when?
DECLARE @endpoint nvarchar(400) = N'CUSTOMER-PC';

SELECT s.start_time, s.end_time, s.lsid, r.user_name, r.display_name, r.public_ip, s.external_key
FROM dbo.customer c
JOIN dbo.session s ON s.id = c.session_id
LEFT JOIN dbo.representative r ON r.session_id = s.id
WHERE c.host_name = @endpoint
ORDER BY s.start_time DESC, s.id DESC;
