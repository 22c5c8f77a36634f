//! getsockopt(2) and setsockopt(2) on the kernel's own file.
use super::{Errno, fd::Raw, raw::call, usermem::UserSlice};

/// Reads an option into `value`; the length that the kernel filled in.
pub fn get(fd: Raw, level: i32, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
    let mut len = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `value`, and `len` itself.
    unsafe {
        call!(libc::SYS_getsockopt, fd, level, name, value.as_mut_ptr(), &raw mut len)?;
    }
    Ok(len as usize)
}

/// Sets an option from `value`.
pub fn set(fd: Raw, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads `value` alone.
    unsafe {
        call!(libc::SYS_setsockopt, fd, level, name, value.as_ptr(), value.len())?;
    }
    Ok(())
}

/// An `int` option.
pub fn get_int(fd: Raw, level: i32, name: i32) -> Result<i32, Errno> {
    let mut value = [0; 4];
    get(fd, level, name, &mut value)?;
    Ok(i32::from_ne_bytes(value))
}

/// Sets an `int` option.
pub fn set_int(fd: Raw, level: i32, name: i32, value: i32) -> Result<(), Errno> {
    set(fd, level, name, &value.to_ne_bytes())
}

/// A 64-bit option (the tag lives in one).
pub fn get_u64(fd: Raw, level: i32, name: i32) -> Result<u64, Errno> {
    let mut value = [0; 8];
    match get(fd, level, name, &mut value)? {
        8 => Ok(u64::from_ne_bytes(value)),
        _ => Err(Errno::INVAL),
    }
}

/// Sets a 64-bit option.
pub fn set_u64(fd: Raw, level: i32, name: i32, value: u64) -> Result<(), Errno> {
    set(fd, level, name, &value.to_ne_bytes())
}

/// getsockopt(2) straight into the program's memory; the length that the kernel filled in.
pub fn get_user(fd: Raw, level: i32, name: i32, value: UserSlice) -> Result<usize, Errno> {
    let mut len = value.len().min(i32::MAX as usize) as libc::socklen_t;
    // SAFETY: the program gave `value` to be written; the kernel checks it.
    unsafe {
        call!(libc::SYS_getsockopt, fd, level, name, value.address(), &raw mut len)?;
    }
    Ok(len as usize)
}

/// setsockopt(2) straight from the program's memory.
pub fn set_user(fd: Raw, level: i32, name: i32, value: UserSlice) -> Result<(), Errno> {
    // SAFETY: the kernel reads the program's memory and checks it.
    unsafe {
        call!(libc::SYS_setsockopt, fd, level, name, value.address(), value.len())?;
    }
    Ok(())
}
