use std::io::{self, BufRead, Read};

/// A reader that hands out no more than it is allowed, so that what is too large is refused before it is held:
/// the parser below buffers a text or a tag whole, however long it goes on.
pub(crate) struct Guard<R> {
    inner: R,
    opening: Vec<u8>,
    served: usize,
    allowance: usize,
    exceeded: bool,
    ended: bool,
    failed: Option<io::Error>,
}

impl<R: BufRead> Guard<R> {
    pub(crate) fn new(inner: R) -> Self {
        Guard {
            inner,
            opening: Vec::new(),
            served: 0,
            allowance: 0,
            exceeded: false,
            ended: false,
            failed: None,
        }
    }

    /// The first bytes, at most `bytes` of them and fewer only where there are no more; they are read again later.
    pub(crate) fn peek_opening(&mut self, bytes: usize) -> io::Result<&[u8]> {
        while self.opening.len() < bytes {
            let available = match self.inner.fill_buf() {
                Ok([]) => break,
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if self.opening.is_empty() => return Err(error),
                // What came before it is read first.
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            };
            let taken = available.len().min(bytes - self.opening.len());
            self.opening.extend_from_slice(&available[..taken]);
            self.inner.consume(taken);
        }
        Ok(&self.opening)
    }

    /// Allows so many bytes from here on.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Whether more was wanted than allowed.
    pub(crate) fn exceeded(&self) -> bool {
        self.exceeded
    }

    /// Whether the end of the bytes was seen.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }
}

impl<R: BufRead> BufRead for Guard<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = match &self.opening[self.served..] {
            [] => match self.failed.take() {
                Some(error) => return Err(error),
                None => self.inner.fill_buf()?,
            },
            opening => opening,
        };
        if available.is_empty() {
            self.ended = true;
        } else if self.allowance == 0 {
            self.exceeded = true;
            return Err(io::Error::other("more than a limit allows"));
        }
        Ok(&available[..available.len().min(self.allowance)])
    }

    fn consume(&mut self, bytes: usize) {
        self.allowance -= bytes;
        if self.served < self.opening.len() {
            self.served += bytes;
        } else {
            self.inner.consume(bytes);
        }
    }
}

impl<R: BufRead> Read for Guard<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let bytes = available.len().min(into.len());
        into[..bytes].copy_from_slice(&available[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}
