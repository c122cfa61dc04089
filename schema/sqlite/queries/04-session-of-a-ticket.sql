-- Which sessions belong to one ticket?
SELECT s.lsid, s.start_time, s.end_time, s.host_name AS site, s.external_key
FROM session s
WHERE s.external_key = 'TICKET-1'
ORDER BY s.start_time, s.id;
