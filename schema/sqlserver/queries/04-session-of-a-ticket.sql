-- Which sessions belong to one ticket?
DECLARE @external_key nvarchar(400) = N'TICKET-1';

SELECT s.lsid, s.start_time, s.end_time, s.host_name AS site, s.external_key
FROM dbo.session s
WHERE s.external_key = @external_key
ORDER BY s.start_time, s.id;
