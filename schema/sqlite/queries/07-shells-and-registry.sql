-- Where were shells opened, or registries changed, in a period?
SELECT e.event_time, e.type, e.performed_by, c.host_name AS endpoint, s.lsid
FROM session_event e
JOIN session s ON s.id = e.session_id
LEFT JOIN customer c ON c.session_id = s.id
WHERE (e.type LIKE 'Command Shell%' OR e.type LIKE 'Remote Shell%' OR e.type LIKE 'Registry%')
  AND e.event_time >= '2026-11-01' AND e.event_time < '2026-12-01'
ORDER BY e.event_time, e.id;
