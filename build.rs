//! Writes the C header, and gives the shared library its plain names (`socket`, `bind`, ...).
//!
//! Rust code defines `us_*` alone: a Rust function called `socket` would capture that name in our
//! own tests and tool as well. The plain names are aliases that the linker makes, for the cdylib
//! only: one `--defsym` each, and a version script that lets them out beside the one of rustc.
//!
//! The protocol core alone (no feature `library`) needs none of this.
use std::path::{Path, PathBuf};
use std::{env, fs};

const EXPORTS: &str = "src/abi/exports.txt";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/abi");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    if cfg!(feature = "library") {
        plain_names(&root);
        soname();
    }
    #[cfg(feature = "library")]
    header::write(&root);
}

/// Link arguments for the plain names.
fn plain_names(root: &Path) {
    let list = fs::read_to_string(root.join(EXPORTS)).expect("the list of exports");
    let mut script = String::from("{ global:\n");
    // The same for a shared object that is an example to cargo, which gives it no such arguments.
    let mut jumps = String::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (Some(plain), Some(ours), None) = (words.next(), words.next(), words.next()) else {
            panic!("{EXPORTS}: a plain name and a function, not {line:?}");
        };
        println!("cargo:rustc-cdylib-link-arg=-Wl,--defsym={plain}={ours}");
        script.push_str(&format!("  {plain};\n"));
        jumps.push_str(&format!("jump! {{ {plain} {ours} }}\n"));
    }
    script.push_str("};\n");
    let path = PathBuf::from(env::var("OUT_DIR").expect("set by cargo")).join("plain.map");
    fs::write(&path, script).expect("the version script");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={}", path.display());
    fs::write(path.with_file_name("plain.rs"), jumps).expect("the jumps");
}

/// The name that linked programs look for, `libunderstudy.so.0`; and a link of that name beside the
/// library, so that they also find it where cargo has put it.
fn soname() {
    let name = format!("libunderstudy.so.{}", env::var("CARGO_PKG_VERSION_MAJOR").expect("cargo"));
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{name}");
    // <profile>/build/<package>/out
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    let Some(profile) = out.ancestors().nth(3) else { return };
    for folder in [profile.to_owned(), profile.join("deps")] {
        // Where it is already there, or nobody may write, there is nothing to be done.
        let _ = std::os::unix::fs::symlink("libunderstudy.so", folder.join(&name));
    }
}

/// The C header.
#[cfg(feature = "library")]
mod header {
    use std::fs;
    use std::path::Path;

    const HEADER: &str = "include/understudy.h";
    /// The files of `src/abi` whose functions are in the header, in its order.
    const IN_HEADER: [&str; 7] =
        ["understudy", "sys_socket", "messages", "unistd", "sys_uio", "fcntl", "sys_ioctl"];

    /// Writes `include/understudy.h`, if it is not what it would be.
    pub fn write(root: &Path) {
        let mut builder = cbindgen::Builder::new().with_config(config());
        let files =
            IN_HEADER.iter().chain(&["embed"]).map(|f| root.join(format!("src/abi/{f}.rs")));
        for file in files.filter(|file| file.exists()) {
            builder = builder.with_src(file);
        }
        let bindings = match builder.generate() {
            Ok(bindings) => bindings,
            Err(reason) => panic!("{HEADER}: {reason}"),
        };
        let mut text = Vec::new();
        bindings.write(&mut text);
        // rustdoc's heading; what is under it concerns C programs as well.
        let text = String::from_utf8(text).expect("UTF-8").replace(" # Safety\n", "").into_bytes();
        let path = root.join(HEADER);
        if fs::read(&path).ok().as_ref() != Some(&text) {
            fs::create_dir_all(root.join("include")).expect("include/");
            fs::write(&path, text).expect("the header");
        }
    }

    fn config() -> cbindgen::Config {
        let mut config = cbindgen::Config {
            language: cbindgen::Language::C,
            cpp_compat: true,
            include_guard: Some("UNDERSTUDY_H".into()),
            documentation_style: cbindgen::DocumentationStyle::C,
            usize_is_size_t: true,
            no_includes: true,
            header: Some(TOP.into()),
            ..Default::default()
        };
        for name in ["sockaddr", "msghdr", "mmsghdr", "iovec", "timespec"] {
            config.export.rename.insert(name.into(), format!("struct {name}"));
        }
        config.export.exclude.push("us_syscall".into());
        config
    }

    const TOP: &str = "\
/* Understudy: a user-space TCP/UDP/IP stack that stands in for the kernel's sockets.
 *
 * Made from the Rust source by build.rs (cbindgen): do not edit.
 *
 * Link with -lunderstudy and call these, or call socket(), bind(), ... as ever: the library has
 * both names for the same functions. All of them set errno and return -1 on failure, like the
 * calls whose manual pages they name. */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

struct mmsghdr;
struct timespec;";
}
