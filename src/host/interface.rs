//! Network interfaces of the host: what they are, and the two things that we change on those that
//! we created (up, MTU). See netdevice(7).
use super::{Errno, raw::call};
use crate::base::MacAddr;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// `struct ifreq`: a name of 16 bytes and a union of 24.
type Request = [u8; 40];
const NAME: usize = 16;

const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCSIFFLAGS: u32 = 0x8914;
const SIOCGIFMTU: u32 = 0x8921;
const SIOCSIFMTU: u32 = 0x8922;
const SIOCGIFHWADDR: u32 = 0x8927;
const SIOCGIFINDEX: u32 = 0x8933;

/// `ARPHRD_ETHER`: the interface carries Ethernet frames.
pub const KIND_ETHERNET: u16 = 1;

/// A network interface of the namespace that we are in.
#[derive(Debug)]
pub struct Interface {
    control: OwnedFd,
    request: Request,
    /// Its number.
    pub index: u32,
}

impl Interface {
    /// The interface of this name.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn find(name: &str) -> Result<Interface, Errno> {
        let flags = SocketFlags::CLOEXEC;
        let control = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let mut interface = Interface { control, request: request(name)?, index: 0 };
        let answer = interface.ask(SIOCGIFINDEX, [0; 4])?;
        interface.index = u32::from_ne_bytes([answer[0], answer[1], answer[2], answer[3]]);
        Ok(interface)
    }
    /// Its kind (`ARPHRD_*`) and Ethernet address.
    pub fn hardware(&self) -> Result<(u16, MacAddr), Errno> {
        let [k0, k1, a, b, c, d, e, f, ..] = self.ask(SIOCGIFHWADDR, [0; 4])?;
        Ok((u16::from_ne_bytes([k0, k1]), MacAddr([a, b, c, d, e, f])))
    }
    /// Its MTU, bytes.
    pub fn mtu(&self) -> Result<u32, Errno> {
        let [a, b, c, d, ..] = self.ask(SIOCGIFMTU, [0; 4])?;
        Ok(u32::from_ne_bytes([a, b, c, d]))
    }
    /// Changes its MTU.
    pub fn set_mtu(&self, mtu: u32) -> Result<(), Errno> {
        self.ask(SIOCSIFMTU, mtu.to_ne_bytes()).map(drop)
    }
    /// Whether it is up.
    pub fn is_up(&self) -> Result<bool, Errno> {
        Ok(self.flags()? & libc::IFF_UP as u16 != 0)
    }
    /// Brings it up.
    pub fn set_up(&self) -> Result<(), Errno> {
        let [a, b] = (self.flags()? | libc::IFF_UP as u16).to_ne_bytes();
        self.ask(SIOCSIFFLAGS, [a, b, 0, 0]).map(drop)
    }

    fn flags(&self) -> Result<u16, Errno> {
        let [a, b, ..] = self.ask(SIOCGIFFLAGS, [0; 4])?;
        Ok(u16::from_ne_bytes([a, b]))
    }
    fn ask(&self, question: u32, value: [u8; 4]) -> Result<[u8; 24], Errno> {
        let mut request = self.request;
        request[NAME..NAME + 4].copy_from_slice(&value);
        // SAFETY: all questions above take a `struct ifreq`, which has the size of `request`.
        unsafe {
            call!(libc::SYS_ioctl, self.control.as_raw_fd(), question, request.as_mut_ptr())?;
        }
        let mut answer = [0; 24];
        answer.copy_from_slice(&request[NAME..]);
        Ok(answer)
    }
}

/// A request about the interface `name`.
pub(super) fn request(name: &str) -> Result<Request, Errno> {
    let mut request = [0; 40];
    if name.is_empty() || name.len() >= NAME {
        return Err(Errno::NODEV);
    }
    request[..name.len()].copy_from_slice(name.as_bytes());
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_and_nonsense_is_not() {
        let lo = Interface::find("lo").unwrap();
        assert_eq!(lo.hardware().unwrap().0, libc::ARPHRD_LOOPBACK);
        assert!(lo.index > 0 && lo.mtu().unwrap() >= 576);
        assert_eq!(Interface::find("no-such-if").unwrap_err(), Errno::NODEV);
        assert_eq!(Interface::find("").unwrap_err(), Errno::NODEV);
    }
}
