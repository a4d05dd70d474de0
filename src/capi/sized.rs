//! Structs whose size both sides tell: a program may have been built with an older header than the
//! library, or with a newer one.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use super::store::null;
use crate::error::{Error, ErrorKind, Result};

/// What is larger is no struct of any version: nobody has set its size.
const MOST: usize = 4096;

/// A struct of the header that begins with its size and grows at its end.
///
/// # Safety
///
/// It is `repr(C)`, `struct_size` comes first, and all zeros are valid.
pub(super) unsafe trait Extensible: Sized {
    /// As C knows it.
    const NAME: &'static str;
    /// The size that it had in the first version.
    const FIRST: usize;
}

/// Names the last field that a struct had in its first version, and the type of that.
macro_rules! extensible {
    ($name:ident, $last:ident: $type:ty) => {
        // SAFETY: as is checked below; these structs have numbers and pointers that may be NULL.
        unsafe impl $crate::capi::sized::Extensible for $name {
            const NAME: &'static str = stringify!($name);
            const FIRST: usize = std::mem::offset_of!($name, $last) + size_of::<$type>();
        }

        const _: () = {
            use $crate::capi::sized::Extensible;
            assert!(std::mem::offset_of!($name, struct_size) == 0);
            // A field that came later would lie in padding, which older programs leave unset.
            assert!($name::FIRST.is_multiple_of(align_of::<$name>()));
        };
    };
}
pub(super) use extensible;

/// What a caller handed in; what its header does not have yet is zero. Refuses what this library
/// does not know.
///
/// # Safety
///
/// `given` is NULL, or `struct_size` bytes from there on can be read.
pub(super) unsafe fn read<T: Extensible>(given: *const T, what: &'static str) -> Result<T> {
    let given = NonNull::new(given.cast_mut()).ok_or_else(|| null(what))?;
    // SAFETY: promised by the caller.
    let size = unsafe { size_of_given(given) }?;
    let known = size.min(size_of::<T>());
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: promised by the caller; the copy has room for what is known.
    let beyond = unsafe {
        let given = given.as_ptr().cast::<u8>();
        given.copy_to_nonoverlapping(copy.as_mut_ptr().cast(), known);
        slice::from_raw_parts(given.add(known), size - known)
    };
    if beyond.iter().any(|byte| *byte != 0) {
        let reason =
            "this library does not know what was set at its end: it is older than the header";
        return Err(Error::new(ErrorKind::InvalidInput, "call", T::NAME, reason));
    }
    // SAFETY: zeros are valid, and so is what the caller has set.
    Ok(unsafe { copy.assume_init() })
}

/// The elements of an array, each as large as the first one says.
///
/// # Safety
///
/// `first` is NULL or that of `len` elements, which can be read as in `read`.
pub(super) unsafe fn read_each<T: Extensible>(
    first: *const T,
    len: usize,
    what: &'static str,
) -> Result<Vec<T>> {
    let Some(first) = NonNull::new(first.cast_mut()).filter(|_| len > 0) else {
        return if len == 0 { Ok(Vec::new()) } else { Err(null(what)) };
    };
    // SAFETY: promised by the caller.
    unsafe {
        let step = size_of_given(first)?;
        let one = |index| {
            let element = first.byte_add(index * step);
            match size_of_given(element)? {
                size if size == step => read(element.as_ptr(), what),
                size => Err(wrong_size::<T>(size)),
            }
        };
        (0..len).map(one).collect()
    }
}

/// Where a caller wants a struct.
pub(super) struct Out<T> {
    place: NonNull<T>,
    size: usize,
}

impl<T: Extensible> Out<T> {
    /// To be called before anything is done: what cannot be told need not be done.
    ///
    /// # Safety
    ///
    /// `place` is NULL, or `struct_size` bytes from there on are the caller's until it is given.
    pub(super) unsafe fn new(place: *mut T, what: &'static str) -> Result<Self> {
        // SAFETY: promised by the caller.
        unsafe { Out::optional(place) }?.ok_or_else(|| null(what))
    }

    /// The same where NULL says that nobody wants it.
    ///
    /// # Safety
    ///
    /// As of `new`.
    pub(super) unsafe fn optional(place: *mut T) -> Result<Option<Self>> {
        let Some(place) = NonNull::new(place) else { return Ok(None) };
        // SAFETY: promised by the caller.
        let size = unsafe { size_of_given(place) }?;
        Ok(Some(Out { place, size }))
    }

    /// Writes as much as the caller has room for, and zeros where this library knows no field.
    /// The size stays as the caller has set it.
    pub(super) fn give(self, value: &T) {
        const BEGIN: usize = size_of::<usize>();
        let known = self.size.min(size_of::<T>());
        let from = (&raw const *value).cast::<u8>();
        // SAFETY: whoever has made this has promised it, and sizes are no less than the first.
        unsafe {
            let to = self.place.as_ptr().cast::<u8>();
            from.add(BEGIN).copy_to_nonoverlapping(to.add(BEGIN), known - BEGIN);
            to.add(known).write_bytes(0, self.size - known);
        }
    }
}

/// For a caller that may not want it.
pub(super) fn give<T: Extensible>(out: Option<Out<T>>, value: &T) {
    if let Some(out) = out {
        out.give(value);
    }
}

/// # Safety
///
/// A size can be read there.
unsafe fn size_of_given<T: Extensible>(given: NonNull<T>) -> Result<usize> {
    // SAFETY: promised by the caller. No alignment is: it may be wrong by another element's size.
    let size = unsafe { given.cast::<usize>().read_unaligned() };
    if (T::FIRST..=MOST).contains(&size) { Ok(size) } else { Err(wrong_size::<T>(size)) }
}

/// Refuses flags that this library does not know: they mean something to whoever has set them.
pub(super) fn require_known<T: Extensible>(flags: u64, known: u64) -> Result<()> {
    if flags & !known == 0 {
        return Ok(());
    }
    let reason = format!("this library does not know all of the flags {flags:#x}");
    Err(Error::new(ErrorKind::InvalidInput, "call", T::NAME, reason))
}

fn wrong_size<T: Extensible>(size: usize) -> Error {
    let reason = format!("struct_size is {size}: set it to sizeof({}) before the call", T::NAME);
    Error::new(ErrorKind::InvalidInput, "call", T::NAME, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has grown by `later` since its first version.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Grown {
        struct_size: usize,
        first: u64,
        later: u64,
    }

    extensible!(Grown, first: u64);

    /// A struct of an older program, in which something else follows.
    const OLDER: Grown = Grown { struct_size: Grown::FIRST, first: 1, later: 0x5a5a };

    #[test]
    fn of_an_older_program_only_its_fields_are_read() {
        let older = OLDER;
        // SAFETY: the pointer is to a local.
        let read = unsafe { read(&raw const older, "grown") }.expect("it is valid");
        assert_eq!((read.first, read.later), (1, 0));
    }

    #[test]
    fn to_an_older_program_only_its_fields_are_written() {
        let mut older = OLDER;
        // SAFETY: the pointer is to a local.
        let out = unsafe { Out::new(&raw mut older, "grown") }.expect("it is valid");
        out.give(&Grown { struct_size: size_of::<Grown>(), first: 2, later: 3 });
        assert_eq!(older, Grown { first: 2, ..OLDER });
    }

    #[test]
    fn the_elements_of_an_older_program_lie_closer_together() {
        let memory = [Grown::FIRST as u64, 1, Grown::FIRST as u64, 2];
        // SAFETY: there are two elements of that size.
        let read = unsafe { read_each(memory.as_ptr().cast::<Grown>(), 2, "grown") };
        let read = read.expect("they are valid");
        assert_eq!(
            read.iter().map(|it| (it.first, it.later)).collect::<Vec<_>>(),
            [(1, 0), (2, 0)]
        );
    }

    #[test]
    fn a_size_that_never_was_is_refused_by_name() {
        for size in [0, Grown::FIRST - 1, MOST + 1] {
            let mut wrong = Grown { struct_size: size, ..OLDER };
            // SAFETY: the pointers are to a local, of which nothing but the size is looked at.
            let (input, output) = unsafe {
                (read(&raw const wrong, "grown").err(), Out::new(&raw mut wrong, "grown").err())
            };
            for error in [input, output] {
                let error = error.expect("refused");
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains("Grown"), "{error}");
            }
        }
    }
}
