//! What the host is told: `addr=192.168.0.1/16,addr=fd00::1/64,mtu=1500` in `--so_flags`, or else
//! packetdrill's own `--local_ip` and `--mtu`, which it tells to nobody but which can be read off
//! its command line.
use understudy::base::Cidr;
use understudy::base::IpAddr;
use understudy::host::file;

/// Longest command line that is looked at, bytes.
const COMMAND_LINE_MAX: usize = 1 << 20;
/// packetdrill's default, for IPv4.
const MTU: u16 = 1500;

/// What the host is told.
#[derive(Debug, Default)]
pub struct Flags {
    /// Addresses of the host, with the prefixes that are on the link. All else is, too.
    pub addresses: Vec<Cidr>,
    /// Largest IP packet, bytes.
    pub mtu: u16,
}

impl Flags {
    /// From the text of `--so_flags`, completed from the command line of this process.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn new(text: &str) -> Result<Flags, String> {
        let mut flags = Flags::default();
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("addr", value)) => flags.add_address(value)?,
                Some(("mtu", value)) => flags.mtu = number(value)?,
                _ => return Err(format!("--so_flags: {word:?} is neither addr= nor mtu=")),
            }
        }
        let line = file::read("/proc/self/cmdline", COMMAND_LINE_MAX).unwrap_or_default();
        flags.complete(&String::from_utf8_lossy(&line))?;
        Ok(flags)
    }

    /// Takes what is missing from a command line, its words separated by NUL.
    fn complete(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split('\0');
        let told = !self.addresses.is_empty();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else { continue };
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            match name {
                "local_ip" if !told => {
                    self.add_address(value.or_else(|| words.next()).unwrap_or(""))?
                }
                "mtu" if self.mtu == 0 => {
                    self.mtu = number(value.or_else(|| words.next()).unwrap_or(""))?
                }
                _ => {}
            }
        }
        if self.addresses.is_empty() {
            return Err("no address: give packetdrill --local_ip=, or --so_flags=addr=".into());
        }
        if self.mtu == 0 {
            self.mtu = MTU;
        }
        Ok(())
    }

    fn add_address(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("{text:?} is not an address");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(number(prefix)? as u8)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix = prefix.unwrap_or(if address.is_ipv4() { 16 } else { 64 });
        self.addresses.push(Cidr::new(address, prefix).ok_or_else(wrong)?);
        Ok(())
    }
}

fn number(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}
