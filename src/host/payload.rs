//! What a program gave to a call that sends or receives: one buffer, or a vector of them.
use super::{Errno, usermem::UserSlice};

const IOVEC: usize = core::mem::size_of::<libc::iovec>();

/// What a program gave to send from, or to receive into.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a>(pub(super) Form<'a>);

#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// One buffer.
    Flat(UserSlice<'a>),
    /// `len() / 16` `struct iovec`s at an address.
    Vector(UserSlice<'a>),
}

impl<'a> Payload<'a> {
    /// One buffer.
    pub const fn flat(buffer: UserSlice<'a>) -> Payload<'a> {
        Payload(Form::Flat(buffer))
    }
    /// A program's `iov` and `iovlen`. `EMSGSIZE` above `UIO_MAXIOV`, as from sendmsg(2).
    ///
    /// # Safety
    /// As for [`UserSlice::new`], for the vector and for all that it points to.
    pub unsafe fn vector(iov: usize, count: usize) -> Result<Payload<'a>, Errno> {
        if count > libc::UIO_MAXIOV as usize {
            return Err(Errno::MSGSIZE);
        }
        // SAFETY: passed on to the caller.
        Ok(Payload(Form::Vector(unsafe { UserSlice::new(iov, count * IOVEC) })))
    }
    /// How many bytes it holds in all; `EFAULT` if the vector cannot be read.
    pub fn total(self) -> Result<usize, Errno> {
        match self.0 {
            Form::Flat(slice) => Ok(slice.len()),
            Form::Vector(_) => {
                let mut sum = 0usize;
                let mut index = 0;
                while let Some(slice) = self.part(index)? {
                    sum = sum.checked_add(slice.len()).ok_or(Errno::INVAL)?;
                    index += 1;
                }
                Ok(sum)
            }
        }
    }
    /// Its `index`-th buffer; `None` past the last.
    pub fn part(self, index: usize) -> Result<Option<UserSlice<'a>>, Errno> {
        match self.0 {
            Form::Flat(slice) => Ok((index == 0).then_some(slice)),
            Form::Vector(vector) => {
                let rest = vector.skip(index * IOVEC);
                if rest.is_empty() {
                    return Ok(None);
                }
                let bytes = rest.read_array::<IOVEC>()?;
                let (base, len) = bytes.split_at(8);
                let word = |b: &[u8]| usize::from_ne_bytes(b.try_into().unwrap_or_default());
                // SAFETY: the vector was vouched for with all that it points to.
                Ok(Some(unsafe { UserSlice::new(word(base), word(len)) }))
            }
        }
    }
    /// How many buffers it has.
    pub(super) fn count(self) -> usize {
        match self.0 {
            Form::Flat(_) => 1,
            Form::Vector(vector) => vector.len() / IOVEC,
        }
    }
    /// Copies its first bytes to `to`; how many.
    pub fn read(self, to: &mut [u8]) -> Result<usize, Errno> {
        let (mut len, mut index) = (0, 0);
        while len < to.len()
            && let Some(part) = self.part(index)?
        {
            len += part.read(&mut to[len..])?;
            index += 1;
        }
        Ok(len)
    }
    /// Copies `from` into its first bytes; how many.
    pub fn write(self, from: &[u8]) -> Result<usize, Errno> {
        let (mut rest, mut index) = (from, 0);
        while !rest.is_empty()
            && let Some(part) = self.part(index)?
        {
            let written = part.write(rest)?;
            rest = &rest[written..];
            index += 1;
        }
        Ok(from.len() - rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_fill_one_buffer_after_another() {
        let mut one = [0; 4];
        assert_eq!(Payload::flat(UserSlice::from_bytes(&mut one)).write(b"abc"), Ok(3));
        assert_eq!(&one, b"abc\0");
        let (mut a, mut b) = ([0u8; 2], [0u8; 3]);
        let pieces = [&mut a[..], &mut [], &mut b[..]]
            .map(|part| libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() });
        // SAFETY: our own buffers, which live as long as the payload.
        let payload = unsafe { Payload::vector(pieces.as_ptr() as usize, 3) }.unwrap();
        assert_eq!((payload.total(), payload.write(b"abcd")), (Ok(5), Ok(4)));
        let mut back = [0; 5];
        assert_eq!((payload.read(&mut back), &back), (Ok(5), b"abcd\0"));
        assert_eq!((&a, &b), (b"ab", b"cd\0"));
    }
}
