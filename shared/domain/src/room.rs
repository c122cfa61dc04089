//! How much room staging leaves on its disk, and what waits where there is less.

use crate::Kind;

/// The room on the file system that staging lies on, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What is free for us.
    pub free: u64,
    /// The whole file system.
    pub size: u64,
}

/// How much staging leaves free, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floors {
    /// With less, what has been delivered goes at once, and then recordings wait.
    pub floor: u64,
    /// With less, nothing is fetched. What the log's server still writes has to fit below it.
    pub lowest: u64,
}

/// What is fetched with so much room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetching {
    /// All.
    All,
    /// Reports and backups; recordings wait.
    NoRecordings,
    /// Nothing.
    Nothing,
}

impl Floors {
    /// Unless the settings say more or less: a tenth of a disk, and half of that, but within these bounds.
    const FLOOR: (u64, u64) = (64_000_000, 4_000_000_000);
    const LOWEST: (u64, u64) = (Self::LOWEST_MIN, 1_000_000_000);
    /// The least that the settings can ask for: with less the log's server can't begin its next file.
    pub const LOWEST_MIN: u64 = 32_000_000;

    /// The floors on a file system of this size, where the settings say these. What the settings say of one moves the
    /// other out of its way.
    pub fn of(floor: Option<u64>, lowest: Option<u64>, size: u64) -> Self {
        let usual_floor = (size / 10).clamp(Self::FLOOR.0, Self::FLOOR.1);
        let usual_lowest = (size / 20).clamp(Self::LOWEST.0, Self::LOWEST.1);
        let lowest = lowest.unwrap_or_else(|| usual_lowest.min(floor.unwrap_or(usual_lowest)));
        Floors { floor: floor.unwrap_or(usual_floor).max(lowest), lowest }
    }

    /// What is fetched with so much room.
    pub fn fetching(&self, room: Room) -> Fetching {
        match room.free {
            free if free < self.lowest => Fetching::Nothing,
            free if free < self.floor => Fetching::NoRecordings,
            _ => Fetching::All,
        }
    }

    /// Whether a file that still needs this much fits above the lowest floor. What is not begun leaves all room to what
    /// is smaller.
    pub fn fits(&self, room: Room, bytes: u64) -> bool {
        room.free.checked_sub(bytes).is_some_and(|left| left >= self.lowest)
    }
}

impl Fetching {
    /// Whether what is of this kind is fetched.
    pub const fn takes(self, kind: Kind) -> bool {
        match self {
            Fetching::All => true,
            Fetching::NoRecordings => !kind.is_recording(),
            Fetching::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;
    const MB: u64 = 1_000_000;

    #[test]
    fn recordings_wait_below_the_floor_and_everything_below_the_lowest() {
        let floors = Floors { floor: 100, lowest: 40 };
        for (free, report, recording, backup) in [
            (100, true, true, true),
            (99, true, false, true),
            (40, true, false, true),
            (39, false, false, false),
            (0, false, false, false),
        ] {
            let fetching = floors.fetching(Room { free, size: 1_000 });
            assert_eq!(fetching.takes(Kind::SessionData), report, "{free}");
            assert_eq!(fetching.takes(Kind::PresentationData), report, "{free}");
            assert_eq!(fetching.takes(Kind::SessionRecording), recording, "{free}");
            assert_eq!(fetching.takes(Kind::CommandShellRecording), recording, "{free}");
            assert_eq!(fetching.takes(Kind::SiteBackup), backup, "{free}");
        }
    }

    #[test]
    fn a_file_is_begun_only_if_it_ends_above_the_lowest_floor() {
        let floors = Floors { floor: 100, lowest: 40 };
        let room = Room { free: 90, size: 1_000 };
        assert!(floors.fits(room, 50) && !floors.fits(room, 51) && !floors.fits(room, u64::MAX));
    }

    #[test]
    fn floors_go_by_the_disk_unless_the_settings_say_them() {
        for (floor, lowest, size, expected) in [
            (None, None, 1_000 * GB, (4 * GB, GB)),
            (None, None, 10 * GB, (GB, 500 * MB)),
            (None, None, 200 * MB, (64 * MB, 32 * MB)),
            (Some(50 * GB), None, 1_000 * GB, (50 * GB, GB)),
            (Some(100 * MB), None, 1_000 * GB, (100 * MB, 100 * MB)),
            (None, Some(8 * GB), 1_000 * GB, (8 * GB, 8 * GB)),
            (Some(3 * GB), Some(2 * GB), 1, (3 * GB, 2 * GB)),
        ] {
            let floors = Floors::of(floor, lowest, size);
            assert_eq!((floors.floor, floors.lowest), expected, "{floor:?} {lowest:?} {size}");
        }
    }
}
