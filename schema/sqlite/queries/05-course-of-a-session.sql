-- What happened in one session, step by step?
SELECT e.event_time, e.type, e.performed_by, e.performed_by_type, e.destination, d.name, d.value
FROM session s
JOIN session_event e ON e.session_id = s.id
LEFT JOIN session_event_data d ON d.session_event_id = e.id
WHERE s.lsid = 'S1'
ORDER BY e.id, d.id;
