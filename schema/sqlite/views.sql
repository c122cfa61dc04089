-- Views for people who would rather not join: made once, by hand, where they are wanted.
CREATE VIEW session_overview AS
    SELECT s.id, s.lsid, s.host_name AS site, s.type, s.start_time, s.end_time, s.duration, s.external_key,
           s.jump_group_name, r.user_name, r.display_name AS user_display_name, c.host_name AS endpoint,
           c.display_name AS endpoint_display_name, s.file_transfers
    FROM session s
    LEFT JOIN representative r ON r.session_id = s.id AND r.is_primary = 1
    LEFT JOIN customer c ON c.session_id = s.id;
CREATE VIEW event_overview AS
    SELECT s.lsid, s.host_name AS site, e.id AS event_id, e.event_time, e.type, e.performed_by, e.performed_by_type,
           e.destination, d.name, d.value
    FROM session s
    JOIN session_event e ON e.session_id = s.id
    LEFT JOIN session_event_data d ON d.session_event_id = e.id;
