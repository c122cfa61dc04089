use std::fmt;
use std::io::{self, Write as _};
use std::process::exit;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

/// Prints a part of an answer. Where nobody reads any more the program ends without a word, as others do.
pub(crate) fn tell(part: fmt::Arguments<'_>) {
    match io::stdout().lock().write_fmt(part) {
        Ok(()) => {}
        Err(closed) if closed.kind() == io::ErrorKind::BrokenPipe => exit(UNREAD),
        Err(cause) => panic!("could not print: {cause}"),
    }
}

/// A plain table with a heading: columns aligned, no lines, as wide as its content.
pub(crate) fn table<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading);
    for row in rows {
        table.add_row(row.map(|cell| plain(&cell)));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A text that may come from outside as one line: what would move the cursor or colour the terminal is written out.
pub(crate) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// The exit code of who was not heard to the end.
const UNREAD: i32 = 1;

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_from_outside_can_command_no_terminal() {
        assert_eq!(super::plain("é\u{1b}[31m\nnext"), "é\\u{1b}[31m\\nnext");
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let shown =
            super::table(["name", "n"], [["a".into(), "10".into()], ["longer".into(), "2".into()]]);
        assert_eq!(shown, " name    n\n a       10\n longer  2\n");
    }
}
