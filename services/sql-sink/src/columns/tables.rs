/// A table that people query.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The table that its rows belong to; a session belongs to none.
    pub parent: Option<Parent>,
    /// Its columns but `id` and the reference to its parent.
    pub columns: &'static [Column],
}

/// What the rows of a table belong to.
#[derive(Debug, PartialEq, Eq)]
pub struct Parent {
    /// The parent's table.
    pub table: &'static str,
    /// The column that refers to it.
    pub column: &'static str,
}

/// A column.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The type of its cells.
    pub holds: Holds,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Unicode text.
    Text,
    /// Whole numbers.
    Integer,
    /// Instants in UTC.
    Time,
}

const fn text(name: &'static str) -> Column {
    Column { name, holds: Holds::Text }
}

const fn integer(name: &'static str) -> Column {
    Column { name, holds: Holds::Integer }
}

const fn time(name: &'static str) -> Column {
    Column { name, holds: Holds::Time }
}

const OF_SESSION: Option<Parent> = Some(Parent { table: "session", column: "session_id" });
const OF_EVENT: Option<Parent> =
    Some(Parent { table: "session_event", column: "session_event_id" });

/// Sessions.
pub const SESSION: Table = Table {
    name: "session",
    parent: None,
    columns: &[
        text("lsid"),
        text("type"),
        time("start_time"),
        time("end_time"),
        text("duration"),
        integer("file_transfers"),
        text("host_name"),
        text("external_key"),
        integer("public_site_id"),
        text("public_site_name"),
        integer("lseq"),
        text("jump_group_id"),
        text("jump_group_name"),
        text("jump_group_type"),
    ],
};

/// What happened in them.
pub const SESSION_EVENT: Table = Table {
    name: "session_event",
    parent: OF_SESSION,
    columns: &[
        text("type"),
        time("event_time"),
        text("performed_by"),
        text("performed_by_type"),
        text("destination"),
        text("destination_type"),
    ],
};

/// What their events say, as names and values.
pub const SESSION_EVENT_DATA: Table =
    Table { name: "session_event_data", parent: OF_EVENT, columns: &[text("name"), text("value")] };

/// What their events tell of the remote system.
pub const SYSTEM_INFORMATION: Table = Table {
    name: "system_information",
    parent: OF_EVENT,
    columns: &[text("category"), text("information")],
};

/// Who helped or accessed.
pub const REPRESENTATIVE: Table = Table {
    name: "representative",
    parent: OF_SESSION,
    columns: &[
        text("gs_number"),
        text("user_id"),
        text("user_name"),
        text("display_name"),
        text("public_display_name"),
        text("display_number"),
        text("public_ip"),
        text("private_ip"),
        integer("is_owner"),
        integer("is_primary"),
        integer("duration"),
        text("host_name"),
        text("operating_system"),
    ],
};

/// Who was helped, or what was accessed.
pub const CUSTOMER: Table = Table {
    name: "customer",
    parent: OF_SESSION,
    columns: &[
        text("gs_number"),
        text("issue"),
        text("issue_description"),
        text("display_name"),
        text("company_name"),
        text("company_code"),
        text("public_ip"),
        text("private_ip"),
        integer("rpat_support"),
        text("host_name"),
        text("operating_system"),
    ],
};

/// The teams that a session was in.
pub const TEAM: Table = Table {
    name: "team",
    parent: OF_SESSION,
    columns: &[text("team_id"), text("name"), integer("is_primary")],
};

/// What the site's own fields say of a session.
pub const CUSTOM_ATTRIBUTE: Table = Table {
    name: "custom_attribute",
    parent: OF_SESSION,
    columns: &[text("display_name"), text("code_name"), text("value")],
};

/// All of them, parents before their children.
pub const TABLES: [&Table; 8] = [
    &SESSION,
    &REPRESENTATIVE,
    &CUSTOMER,
    &TEAM,
    &CUSTOM_ATTRIBUTE,
    &SESSION_EVENT,
    &SESSION_EVENT_DATA,
    &SYSTEM_INFORMATION,
];
