//! What registry events hold.

use crate::chance::Dice;

const KEYS: [&str; 3] = ["Run", "Größe", "Uninstall & Repair"];

pub(crate) fn registry_values(dice: &mut Dice, kind: &str) -> Vec<(&'static str, String)> {
    let key = dice.pick(&KEYS);
    let parent = "Software\\Example";
    let mut values =
        vec![("root_path", "HKEY_LOCAL_MACHINE".to_owned()), ("parent_path", parent.to_owned())];
    match kind {
        "Registry Exported" | "Registry Imported" => {
            values.push(("key_path", format!("{parent}\\{key}")))
        }
        "Registry Key Renamed" => {
            values.extend([("key_name_old", key.to_owned()), ("key_name_new", format!("{key} 2"))]);
        }
        "Registry Key Added" | "Registry Key Deleted" => values.push(("key_name", key.to_owned())),
        "Registry Value Renamed" => {
            values.extend([
                ("value_name_old", "Path".to_owned()),
                ("value_name_new", "Pfad".to_owned()),
            ]);
        }
        "Registry Value Modified" => values.extend([
            ("value_name", "Path".to_owned()),
            ("value_type", "REG_SZ".to_owned()),
            ("value_data_old", "C:\\old;\"quoted\"".to_owned()),
            ("value_data_new", "C:\\new\r\nsecond line".to_owned()),
        ]),
        _ => values.extend([
            ("value_name", String::new()),
            ("value_type", "REG_BINARY".to_owned()),
            ("value_data", dice.hex(32)),
        ]),
    }
    values
}
