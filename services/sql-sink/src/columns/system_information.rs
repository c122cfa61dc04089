use session_report::Category;

/// The rows of a category as XML text: `<row><field name="heading">cell</field>…</row>…`.
pub(super) fn information(category: &Category) -> String {
    let mut xml = String::new();
    for row in &category.rows {
        xml.push_str("<row>");
        for (position, cell) in row.iter().enumerate() {
            let heading = category.headings.get(position).map_or("", |heading| heading.as_str());
            xml.push_str("<field name=\"");
            escape(heading, true, &mut xml);
            xml.push_str("\">");
            escape(cell.trim_matches([' ', '\t', '\r', '\n']), false, &mut xml);
            xml.push_str("</field>");
        }
        xml.push_str("</row>");
    }
    xml
}

/// White space that XML's own normalisation would fold is written as references, so that it is read back as it was.
fn escape(text: &str, in_attribute: bool, xml: &mut String) {
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\r' => xml.push_str("&#13;"),
            '"' if in_attribute => xml.push_str("&quot;"),
            '\n' if in_attribute => xml.push_str("&#10;"),
            '\t' if in_attribute => xml.push_str("&#9;"),
            other => xml.push(other),
        }
    }
}
