use super::session::{actor, each, first};
use crate::cursor::Cursor;
use crate::{Category, Event, ReportError, Text, Value};

/// Reads the event that has just opened.
pub(super) fn event(cursor: &mut Cursor<'_>) -> Result<Event, ReportError> {
    let mut event = Event {
        event_type: cursor.attributes.owned("event_type"),
        timestamp: cursor.attributes.owned("timestamp"),
        ..Event::default()
    };
    while let Some(name) = cursor.child()? {
        match name {
            "performed_by" => first(&mut event.performed_by, actor(cursor)?),
            "destination" => first(&mut event.destination, actor(cursor)?),
            "body" => cursor.keep(&mut event.body)?,
            "encoded_body" => cursor.keep(&mut event.encoded_body)?,
            "filename" => cursor.keep(&mut event.filename)?,
            "filesize" => cursor.keep(&mut event.filesize)?,
            "data" => each(cursor, "value", &mut event.values, value)?,
            "files" => files(cursor, &mut event.files)?,
            "system_information" => {
                each(cursor, "category", &mut event.system_information, category)?
            }
            _ => cursor.skip()?,
        }
    }
    Ok(event)
}

fn value(cursor: &mut Cursor<'_>) -> Result<Value, ReportError> {
    let attribute = |name| cursor.attributes.owned::<Text>(name).unwrap_or_default();
    let value = Value { name: attribute("name"), value: attribute("value") };
    cursor.skip()?;
    Ok(value)
}

fn files(cursor: &mut Cursor<'_>, files: &mut Vec<Value>) -> Result<(), ReportError> {
    while let Some(name) = cursor.child()? {
        if name != "file" {
            cursor.skip()?;
            continue;
        }
        while let Some(name) = cursor.child()? {
            files.push(Value { name: Text::from(name), value: cursor.text()? });
        }
    }
    Ok(())
}

fn category(cursor: &mut Cursor<'_>) -> Result<Category, ReportError> {
    let mut category = Category { name: cursor.attributes.owned("name"), ..Category::default() };
    while let Some(name) = cursor.child()? {
        match name {
            "description" => each(cursor, "field", &mut category.headings, heading)?,
            "data" => each(cursor, "row", &mut category.rows, row)?,
            _ => cursor.skip()?,
        }
    }
    Ok(category)
}

fn heading(cursor: &mut Cursor<'_>) -> Result<Text, ReportError> {
    let heading = cursor.attributes.owned("name").unwrap_or_default();
    cursor.skip()?;
    Ok(heading)
}

fn row(cursor: &mut Cursor<'_>) -> Result<Vec<Text>, ReportError> {
    let mut cells = Vec::new();
    each(cursor, "field", &mut cells, Cursor::text)?;
    Ok(cells)
}
