-- Who has been on one endpoint, and when?
SELECT s.start_time, s.end_time, s.lsid, r.user_name, r.display_name, r.public_ip, s.external_key
FROM customer c
JOIN session s ON s.id = c.session_id
LEFT JOIN representative r ON r.session_id = s.id
WHERE c.host_name = 'CUSTOMER-PC'
ORDER BY s.start_time DESC, s.id DESC;
