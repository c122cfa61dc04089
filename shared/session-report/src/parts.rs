//! What is met in an item, told to whoever asks for it.

use quick_xml::events::Event;

use crate::ReportError;
use crate::cursor::resolve;

/// What is met in an item.
pub(crate) enum Part<'a> {
    /// An element opens: its local name, and how many are open with it, the item being the first.
    Open(&'a str, usize),
    Text(&'a str),
    Close(usize),
}

/// Takes the parts of an item.
pub(crate) type Tell<'t> = &'t mut dyn FnMut(Part<'_>);

/// Tells what an event means; `depth` is how many elements are open after it.
pub(crate) fn tell_part(
    tell: &mut Tell<'_>,
    event: &Event<'_>,
    depth: usize,
    at: u64,
) -> Result<(), ReportError> {
    match event {
        Event::Start(start) => tell(Part::Open(start.local_name().into_inner(), depth)),
        Event::Empty(start) => {
            tell(Part::Open(start.local_name().into_inner(), depth + 1));
            tell(Part::Close(depth + 1));
        }
        Event::End(_) => tell(Part::Close(depth + 1)),
        Event::Text(text) => tell(Part::Text(&text.xml10_content())),
        Event::CData(text) => tell(Part::Text(&text.xml10_content())),
        Event::GeneralRef(reference) => {
            tell(Part::Text(resolve(reference, at)?.encode_utf8(&mut [0; 4])))
        }
        _ => {}
    }
    Ok(())
}
