//! The browser addresses inside reports. They carry a signature that differs in every answer, unless told otherwise.

use crate::chance::{Dice, key_of_text};
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
    site_key: u64,
    /// None where signatures depend on nothing but what is addressed.
    dice: Option<Dice>,
}

impl Urls {
    /// `answer` is what no other answer has; without it the same thing has the same address in every answer.
    pub(crate) fn new(host: &str, site_key: u64, answer: Option<u64>) -> Self {
        let dice = answer.map(|answer| Dice::of(&[site_key, SIGNATURES, answer]));
        Self { host: host.to_owned(), site_key, dice }
    }

    fn signature(&mut self, lsid: &str, media: &str) -> String {
        match &mut self.dice {
            Some(dice) => dice.hex(40),
            None => Dice::of(&[self.site_key, SIGNATURES, key_of_text(lsid), key_of_text(media)])
                .hex(40),
        }
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
            Target::Recording(RecordingKind::Presentation, _) => {
                ("presentation", "pr;m=recording".to_owned())
            }
            Target::Recording(RecordingKind::ShowMyScreen, n) => {
                ("showmyscreen", format!("sd;m=showmyscreen;i={n}"))
            }
        };
        let token = format!("l={lsid};h={};t={media}", self.signature(lsid, &media));
        let token = token.replace('=', "%3D").replace(';', "%3B");
        let download =
            format!("https://{}/session_download?lsid={token}&dl_action={kind}", self.host);
        (format!("{download}&view=1"), download)
    }
}
