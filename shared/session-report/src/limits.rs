/// How much one report may make its reader hold; what goes beyond is refused before it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one session element.
    pub session_bytes_max: usize,
    /// Bytes of whatever stands outside sessions: up to the root's start tag, and each tag, text or comment behind it.
    pub outside_bytes_max: usize,
    /// Elements inside one another, the root included. Reports need nine.
    pub depth_max: usize,
    /// Elements of one session. A typed event takes fifty times the bytes of `<event/>`.
    pub elements_max: usize,
    /// Bytes of the name of an element or attribute.
    pub name_bytes_max: usize,
    /// Attributes of one element.
    pub attributes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            session_bytes_max: 64 * 1024 * 1024,
            outside_bytes_max: 1024 * 1024,
            depth_max: 64,
            elements_max: 2_000_000,
            name_bytes_max: 1024,
            attributes_max: 256,
        }
    }
}
