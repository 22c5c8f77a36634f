//! Which process holds which socket: by the inodes under `/proc/<pid>/fd`.
use std::collections::HashMap;
use std::fs;

/// A process with a descriptor of a socket.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Holder {
    /// Its name (`comm`).
    pub name: String,
    /// Its id.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
}

/// Holders by inode: of every process that we may look into.
pub fn by_inode() -> HashMap<u32, Vec<Holder>> {
    let mut found: HashMap<u32, Vec<Holder>> = HashMap::new();
    let numbers = |dir: &str| -> Vec<u32> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
    };
    for pid in numbers("/proc") {
        let dir = format!("/proc/{pid}/fd");
        let mut name = None;
        for fd in numbers(&dir) {
            let Some(inode) = socket_inode(&format!("{dir}/{fd}")) else { continue };
            let name = name.get_or_insert_with(|| {
                let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                comm.trim_end().to_owned()
            });
            let holder = Holder { name: name.clone(), pid, fd };
            found.entry(inode).or_default().push(holder);
        }
    }
    for holders in found.values_mut() {
        holders.sort_by_key(|h| (h.pid, h.fd));
    }
    found
}

/// proc(5): the link of a socket reads `socket:[12345]`.
fn socket_inode(path: &str) -> Option<u32> {
    let target = fs::read_link(path).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
