//! The system information that a session's start brings: categories, each with its columns and rows.

use crate::chance::Dice;
use crate::names::{HOSTS, PROGRAMS, SYSTEMS};

/// A category: what its columns are called, and the cells row by row.
#[derive(Debug, Clone)]
pub(crate) struct Category {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Vec<String>>,
}

pub(crate) fn system_information(dice: &mut Dice) -> Vec<Category> {
    let mut categories =
        vec![general(dice), memory(dice), drives(dice), processes(dice), network(dice)];
    if dice.happens(0.3) {
        categories.push(Category {
            name: "Programs",
            columns: &["Name", "Version"],
            rows: Vec::new(),
        });
    }
    if dice.happens(0.2) {
        categories.push(events(dice));
    }
    categories
}

fn general(dice: &mut Dice) -> Category {
    let row =
        vec![dice.pick(&HOSTS).to_owned(), dice.pick(&SYSTEMS).to_owned(), "de-DE".to_owned()];
    Category {
        name: "General",
        columns: &["Computer Name", "Operating System", "Locale"],
        rows: vec![row],
    }
}

fn memory(dice: &mut Dice) -> Category {
    let total = dice.between(4, 128);
    let row = vec![format!("{total} GB"), format!("\n  {} %\n", dice.below(101))];
    Category { name: "Memory", columns: &["Total", "Percent Used"], rows: vec![row] }
}

fn drives(dice: &mut Dice) -> Category {
    let rows = (0..dice.between(1, 4))
        .map(|drive| {
            let letter = char::from(b'C' + drive as u8);
            vec![format!("{letter}:\\"), "NTFS".to_owned(), format!(" {} % ", dice.below(101))]
        })
        .collect();
    Category { name: "Drives", columns: &["Drive", "Type", "Percent Used"], rows }
}

fn processes(dice: &mut Dice) -> Category {
    let rows = (0..dice.between(2, 12))
        .map(|_| {
            let (program, window) = dice.pick(&PROGRAMS);
            vec![dice.between(4, 30_000).to_string(), program.to_owned(), window.to_owned()]
        })
        .collect();
    Category { name: "Processes", columns: &["PID", "Image", "Title"], rows }
}

fn network(dice: &mut Dice) -> Category {
    let row =
        vec![format!("10.0.0.{}", dice.between(1, 254)), String::new(), "Ethernet <1>".to_owned()];
    Category { name: "Network", columns: &["Address", "Gateway", "Adapter"], rows: vec![row] }
}

fn events(dice: &mut Dice) -> Category {
    let rows = (0..dice.between(1, 5))
        .map(|event| {
            vec![event.to_string(), "Dienst \"Spooler\" wurde beendet & neu gestartet".to_owned()]
        })
        .collect();
    Category { name: "Events", columns: &["Id", "Message"], rows }
}
