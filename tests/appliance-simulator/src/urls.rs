//! The browser addresses inside reports. They carry a signature that differs in every answer.

use crate::chance::Dice;
use crate::recordings::RecordingKind;

const SIGNATURES: u64 = 40;

/// What an address leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    Chat,
    Recording(RecordingKind, u32),
}

/// Makes the addresses of one answer.
#[derive(Debug)]
pub(crate) struct Urls {
    host: String,
    dice: Dice,
}

impl Urls {
    /// `answer` is what no other answer has.
    pub(crate) fn new(host: &str, site_key: u64, answer: u64) -> Self {
        Self { host: host.to_owned(), dice: Dice::of(&[site_key, SIGNATURES, answer]) }
    }

    /// The addresses to view and to download.
    pub(crate) fn pair(&mut self, lsid: &str, target: Target) -> (String, String) {
        let (kind, media) = match target {
            Target::Chat => ("chat", "sd;m=chat".to_owned()),
            Target::Recording(RecordingKind::Screen, _) => {
                ("recording", "sd;m=recording".to_owned())
            }
            Target::Recording(RecordingKind::CommandShell, n) => {
                ("shell", format!("sd;m=shell;i={n}"))
            }
            Target::Recording(RecordingKind::ShowMyScreen, n) => {
                ("showmyscreen", format!("sd;m=showmyscreen;i={n}"))
            }
        };
        let token = format!("l={lsid};h={};t={media}", self.dice.hex(40));
        let token = token.replace('=', "%3D").replace(';', "%3B");
        let download =
            format!("https://{}/session_download?lsid={token}&dl_action={kind}", self.host);
        (format!("{download}&view=1"), download)
    }
}
