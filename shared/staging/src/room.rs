use std::path::Path;

use domain::Room;

/// The room on the file system that a folder lies on, for who is not root; none where it does not tell.
pub fn room_of(folder: &Path) -> Option<Room> {
    let found = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Room { free: bytes(found.f_bavail), size: bytes(found.f_blocks) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_room_and_what_is_not_there_has_none_to_tell() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = room_of(folder.path()).expect("the file system tells");
        assert!(room.free > 0 && room.free <= room.size, "{room:?}");
        assert_eq!(room_of(&folder.path().join("nothing")), None);
    }
}
