//! What recordings and backups hold. It is made while it is sent, so that its size costs no memory, and anybody can make it again to
//! know what a download must have brought.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::chance::{Dice, key_of, key_of_text};
use crate::options::{Options, RecordingFormat};
use crate::timeline::site_key;

const CHUNK_BYTES: usize = 64 * 1024;
const SIZE: u64 = 10;
const CONTENT: u64 = 11;
const BACKUP: u64 = 12;

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingKind {
    /// The screen sharing of a session.
    Screen,
    /// One command shell.
    CommandShell,
    /// One Show My Screen (Remote Support).
    ShowMyScreen,
    /// A presentation (Remote Support).
    Presentation,
}

impl RecordingKind {
    fn key(self) -> u64 {
        match self {
            Self::Screen => 1,
            Self::CommandShell => 2,
            Self::ShowMyScreen => 3,
            Self::Presentation => 4,
        }
    }
}

/// Size of the recording.
pub fn recording_size(options: &Options, lsid: &str, kind: RecordingKind, instance: u32) -> u64 {
    if let Some(exact) = options.recording_bytes_exact {
        return exact;
    }
    let mean = options.recording_bytes;
    let mut dice = Dice::of(&[SIZE, recording_key(options, lsid, kind, instance)]);
    dice.between(mean / 2, mean.saturating_add(mean / 2))
}

/// Content of the recording, in chunks.
pub fn recording_bytes(
    options: &Options,
    lsid: &str,
    kind: RecordingKind,
    instance: u32,
) -> Content {
    recording_bytes_anew(options, lsid, kind, instance, 0)
}

/// Content of the recording after it was rendered anew so many times: it has the same size and other bytes.
pub fn recording_bytes_anew(
    options: &Options,
    lsid: &str,
    kind: RecordingKind,
    instance: u32,
    renderings: u32,
) -> Content {
    let head: &[u8] = match options.recording_format {
        // Version 1, with video, header of 9 bytes, first back pointer 0.
        RecordingFormat::Flv => b"FLV\x01\x01\x00\x00\x00\x09\x00\x00\x00\x00",
        RecordingFormat::Mp4 => b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42",
    };
    let key = key_of(&[CONTENT, recording_key(options, lsid, kind, instance)]);
    let key = if renderings == 0 { key } else { key_of(&[key, u64::from(renderings)]) };
    Content::new(head.to_vec(), key, recording_size(options, lsid, kind, instance))
}

/// Content of the site's n-th backup, counted from 1. It differs from backup to backup, and says whether a password was given.
pub fn backup_bytes(options: &Options, number: u64, with_password: bool) -> Content {
    let head = format!("NSBSIM\x01\n{} backup {number} password {with_password}\n", options.host);
    let key = key_of(&[BACKUP, site_key(options), number]);
    Content::new(head.into_bytes(), key, options.backup_bytes)
}

fn recording_key(options: &Options, lsid: &str, kind: RecordingKind, instance: u32) -> u64 {
    key_of(&[site_key(options), key_of_text(lsid), kind.key(), u64::from(instance)])
}

/// Chunks of made-up bytes behind a head. No two chunks are equal, so that one which is lost, doubled or misplaced shows in the digest.
#[derive(Debug, Clone)]
pub struct Content {
    head: Vec<u8>,
    filler: Bytes,
    key: u64,
    chunk: u64,
    left: u64,
}

impl Content {
    fn new(head: Vec<u8>, key: u64, size: u64) -> Self {
        let mut dice = Dice::of(&[key]);
        let mut filler = BytesMut::with_capacity(CHUNK_BYTES);
        while filler.len() < CHUNK_BYTES {
            filler.put_u64(dice.roll());
        }
        Self { head, filler: filler.freeze(), key, chunk: 0, left: size }
    }

    /// What is left of it.
    pub(crate) fn bytes_left(&self) -> u64 {
        self.left
    }

    /// The key of the content: no other content has it.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The rest from this byte on, none of what stands before it being made.
    pub(crate) fn beginning_at(mut self, from: u64) -> impl Iterator<Item = Bytes> {
        let chunk_bytes = CHUNK_BYTES as u64;
        let whole = from.min(self.left) / chunk_bytes;
        if whole > 0 {
            self.head.clear();
        }
        self.chunk = whole;
        self.left -= whole * chunk_bytes;
        let skipped = (from.min(self.left + whole * chunk_bytes) - whole * chunk_bytes) as usize;
        let first = self.next().map(|first| first.slice(skipped..));
        first.into_iter().chain(self).filter(|chunk| !chunk.is_empty())
    }
}

impl Iterator for Content {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let length = self.left.min(CHUNK_BYTES as u64) as usize;
        if length == 0 {
            return None;
        }
        let mut bytes = BytesMut::with_capacity(CHUNK_BYTES + self.head.len() + 8);
        bytes.put_slice(&self.head);
        bytes.put_u64(key_of(&[self.key, self.chunk]));
        bytes.put_slice(&self.filler);
        bytes.truncate(length);
        self.head.clear();
        self.chunk += 1;
        self.left -= length as u64;
        Some(bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(options: &Options, instance: u32) -> Vec<u8> {
        recording_bytes(options, "0a1b", RecordingKind::CommandShell, instance).flatten().collect()
    }

    #[test]
    fn a_recording_has_the_size_that_was_announced() {
        for size in [0, 1, 12, 65_536, 65_537, 200_001] {
            let options = Options { recording_bytes_exact: Some(size), ..Options::default() };
            assert_eq!(content(&options, 0).len() as u64, size);
        }
        let options = Options::default();
        assert_eq!(
            content(&options, 1).len() as u64,
            recording_size(&options, "0a1b", RecordingKind::CommandShell, 1)
        );
    }

    #[test]
    fn same_seed_gives_the_same_recording_and_another_instance_another() {
        let options = Options::default();
        assert_eq!(content(&options, 0), content(&options, 0));
        assert_ne!(content(&options, 0), content(&options, 1));
        assert_ne!(content(&options, 0), content(&Options { seed: 2, ..options.clone() }, 0));
    }

    #[test]
    fn a_recording_begins_with_the_mark_of_its_container() {
        let flv = Options::default();
        assert!(content(&flv, 0).starts_with(b"FLV\x01"));
        assert_eq!(
            &content(&Options { recording_format: RecordingFormat::Mp4, ..flv }, 0)[4..8],
            b"ftyp"
        );
    }

    #[test]
    fn a_recording_is_streamed_not_held() {
        let options = Options { recording_bytes_exact: Some(u64::MAX), ..Options::default() };
        let mut chunks = recording_bytes(&options, "0a1b", RecordingKind::Screen, 0);
        assert!((0..100).all(|_| chunks.next().is_some_and(|chunk| chunk.len() == CHUNK_BYTES)));
    }

    #[test]
    fn the_rest_of_a_recording_is_the_end_of_the_whole() {
        let options = Options { recording_bytes_exact: Some(200_001), ..Options::default() };
        let whole = content(&options, 0);
        for from in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000, 200_001, 300_000] {
            let content = recording_bytes(&options, "0a1b", RecordingKind::CommandShell, 0);
            let rest: Vec<u8> = content.beginning_at(from).flatten().collect();
            assert_eq!(rest, whole[whole.len().min(from as usize)..], "{from}");
        }
        let anew =
            recording_bytes_anew(&options, "0a1b", RecordingKind::CommandShell, 0, 1).flatten();
        assert_ne!(anew.collect::<Vec<u8>>(), whole);
    }

    #[test]
    fn each_backup_differs_from_the_one_before() {
        let options = Options::default();
        assert_ne!(
            backup_bytes(&options, 1, false).next(),
            backup_bytes(&options, 2, false).next()
        );
        assert!(
            backup_bytes(&options, 1, true)
                .next()
                .is_some_and(|chunk| chunk.starts_with(b"NSBSIM"))
        );
    }
}
