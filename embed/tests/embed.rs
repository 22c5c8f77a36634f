//! An engine inside the program (`us_engine_start`): a ctypes script brings its own net, whose link
//! is a unix stream, and serves a client in another net, which `understudy run` starts.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the build has made, as `tests/common/artifacts.rs` finds it.
fn built(name: &str) -> PathBuf {
    let folder = match std::env::var_os("UNDERSTUDY_TEST_BUILD") {
        Some(folder) => PathBuf::from(folder),
        // This test is in <profile>/deps.
        None => std::env::current_exe().unwrap().ancestors().nth(2).unwrap().into(),
    };
    [folder.join(name), folder.join("deps").join(name)]
        .into_iter()
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .unwrap_or_else(|| panic!("{name} has not been built: `cargo build` builds it"))
}

/// A folder with both libraries, as they are installed.
fn libraries(folder: &Path) -> PathBuf {
    for name in ["libunderstudy.so", "libunderstudy_engine.so"] {
        std::fs::copy(built(name), folder.join(name)).unwrap();
    }
    folder.join("libunderstudy.so")
}

const SERVER: &str = r#"
import ctypes, os, struct, sys
lib = ctypes.CDLL(os.environ["LIBRARY"], use_errno=True)
name, path = sys.argv[1:3]

def failed(result):
    return result == -1 and ctypes.get_errno()

assert failed(lib.us_engine_stop()) == 22
assert failed(lib.us_engine_start(None)) == 14
assert failed(lib.us_engine_start(b"name = 7")) == 22
toml = f'name = "{name}"\naddresses = ["10.5.0.1/24"]\n[[link]]\ndevice = "stream-listen:{path}"\n'
assert lib.us_engine_start(toml.encode()) == 0, os.strerror(ctypes.get_errno())
assert failed(lib.us_engine_start(toml.encode())) == 114

listener = lib.us_socket(2, 1, 0)
address = struct.pack("=H", 2) + struct.pack("!H4s8x", 7007, bytes([10, 5, 0, 1]))
assert lib.us_bind(listener, address, 16) == 0, os.strerror(ctypes.get_errno())
assert lib.us_listen(listener, 5) == 0
# A forked child has no engine, and leaves its parent's alone.
child = os.fork()
if child == 0:
    os._exit(0 if failed(lib.us_engine_stop()) == 22 else 1)
assert os.waitpid(child, 0)[1] == 0
print("listening", flush=True)
peer, length = ctypes.create_string_buffer(16), ctypes.c_int(16)
fd = lib.us_accept(listener, peer, ctypes.byref(length))
assert fd >= 0, os.strerror(ctypes.get_errno())
print("from", ".".join(map(str, peer.raw[4:8])), flush=True)
buffer = ctypes.create_string_buffer(65536)
while True:
    n = lib.us_recv(fd, buffer, 65536, 0)
    assert n >= 0, os.strerror(ctypes.get_errno())
    if n == 0:
        break
    sent = 0
    while sent < n:
        sent += lib.us_send(fd, buffer.raw[sent:n], n - sent, 0)
lib.us_close(fd)
assert lib.us_engine_stop() == 0
print("stopped", flush=True)
"#;

const CLIENT: &str = r#"
import os, socket, threading
s = socket.create_connection(("10.5.0.1", 7007), timeout=20)
data = os.urandom(1 << 20)
def write():
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=write).start()
got = b"".join(iter(lambda: s.recv(65536), b""))
print("equal" if got == data else f"{len(got)} of {len(data)}")
"#;

#[test]
fn a_script_brings_its_own_net() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wire");
    let server = Command::new("python3")
        .args(["-c", SERVER, &format!("embed{}", std::process::id())])
        .arg(&path)
        .env("LIBRARY", libraries(folder.path()))
        .env("UNDERSTUDY_LOG", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let mut server = Guard(server.expect("python3 runs"));
    let mut lines = Lines::of(&mut server.0);
    assert_eq!(lines.next(), "listening");

    let client = Command::new(built("understudy"))
        .args(["run", "--addr", "10.5.0.2/24", "--link"])
        .arg(format!("stream:{}", path.display()))
        .args(["--", "python3", "-c", CLIENT])
        .stderr(Stdio::inherit())
        .output()
        .expect("understudy runs");
    assert_eq!(String::from_utf8_lossy(&client.stdout).trim(), "equal");
    assert_eq!(lines.next(), "from 10.5.0.2");
    assert_eq!(lines.next(), "stopped");
    assert!(server.0.wait().unwrap().success());
}

#[test]
fn without_the_engine_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let library = libraries(folder.path());
    std::fs::remove_file(folder.path().join("libunderstudy_engine.so")).unwrap();
    let script = "import ctypes, sys
lib = ctypes.CDLL(sys.argv[1], use_errno=True)
for toml in [b'name = 7', b'name = \"x\"']:
    print(lib.us_engine_start(toml), ctypes.get_errno())
print(lib.us_engine_stop(), ctypes.get_errno())";
    let output = Command::new("python3").args(["-c", script]).arg(library).output().unwrap();
    // ENOSYS, and then EINVAL: none was started.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "-1 38\n-1 38\n-1 22\n", "{output:?}");
}

/// A program that brings no net has no engine in its memory.
#[test]
fn the_engine_is_in_its_own_library() {
    let has = |name: &str, part: &str| {
        let bytes = std::fs::read(built(name)).unwrap();
        bytes.windows(part.len()).any(|window| window == part.as_bytes())
    };
    let counter = "drop_ethernet_other_station";
    assert!(has("libunderstudy_engine.so", counter), "the stack has no counter {counter}");
    assert!(!has("libunderstudy.so", counter), "the stack is in libunderstudy.so");
}

/// Ended with the test.
struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines of a child, each waited for with a bound.
struct Lines(std::sync::mpsc::Receiver<String>);

impl Lines {
    fn of(child: &mut std::process::Child) -> Lines {
        use std::io::{BufRead, BufReader};
        let output = child.stdout.take().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Lines(receiver)
    }
    fn next(&mut self) -> String {
        let limit = std::time::Duration::from_secs(60);
        self.0.recv_timeout(limit).expect("the script says something")
    }
}
