//! Small objects that are written on conditions: what makes a ledger in a bucket possible.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore as _, PutMode, PutOptions, UpdateVersion,
};

use crate::{Object, Store, StoreError};

/// Which writing of an object it was; another writing has another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(UpdateVersion);

/// What is written down with an object: names in small letters, and a storage class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Short texts by their names. What is not plain ASCII is escaped.
    pub texts: BTreeMap<&'static str, String>,
    /// The store's name of its storage class or access tier.
    pub storage_class: Option<String>,
}

impl Store {
    /// Reads an object of a few bytes, and which writing of it that was; none where there is none.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn read_record(&self, name: &str) -> Result<Option<(Bytes, Tag)>, StoreError> {
        let path = self.path(name)?;
        let failed = |source| self.error("read", name, source);
        let found = match self.inner.get_opts(&path, GetOptions::default()).await {
            Ok(found) => found,
            Err(source) => return gone_is_none(failed(source)),
        };
        let tag =
            UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await.map_err(failed)?;
        Ok(Some((bytes, Tag(tag))))
    }

    /// Replaces an object of a few bytes, if it is still the one that was read; says whether.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn replace_record(
        &self,
        name: &str,
        bytes: Bytes,
        read: &Tag,
    ) -> Result<bool, StoreError> {
        let path = self.path(name)?;
        let mode = PutMode::Update(read.0.clone());
        match self.inner.put_opts(&path, bytes.into(), PutOptions::from(mode)).await {
            Ok(_) => Ok(true),
            Err(source) => match self.error("write", name, source) {
                error if error.is_taken() || error.is_gone() => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Looks at an object and one of the texts that were written down with it; none where there is no object.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn detail(
        &self,
        name: &str,
        text: &'static str,
    ) -> Result<Option<(Object, Option<String>)>, StoreError> {
        let path = self.path(name)?;
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = match self.inner.get_opts(&path, options).await {
            Ok(found) => found,
            Err(source) => return gone_is_none(self.error("look at", name, source)),
        };
        let told = found.attributes.get(&Attribute::Metadata(Cow::Borrowed(text)));
        let told = told.map(|told| unescaped(told));
        let (size, modified) = (found.meta.size, found.meta.last_modified);
        Ok(Some((Object { name: name.to_owned(), size, modified }, told)))
    }
}

fn gone_is_none<T>(error: StoreError) -> Result<Option<T>, StoreError> {
    if error.is_gone() { Ok(None) } else { Err(error) }
}

impl Details {
    pub(crate) fn attributes(&self) -> Attributes {
        let texts = self
            .texts
            .iter()
            .map(|(name, text)| (Attribute::Metadata(Cow::Borrowed(*name)), escaped(text)));
        let class = self.storage_class.iter().map(|class| (Attribute::StorageClass, class.clone()));
        texts.chain(class).collect()
    }
}

/// Headers hold visible ASCII only.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        bytes.push(match byte {
            b'%' => match (hex(rest.next()), hex(rest.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(b'?'),
                _ => b'?',
            },
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_goes_through_a_header_and_comes_back() {
        for text in ["", "plain-1.2", "100 %", "é\u{202e}\n名前", "%41"] {
            let header = escaped(text);
            assert!(header.bytes().all(|byte| byte.is_ascii_graphic()), "{header:?}");
            assert_eq!(unescaped(&header), text);
        }
    }
}
