//! Writes the C header, and gives the shared library its plain names (`socket`, `bind`, ...).
//!
//! Rust code defines `us_*` alone: a Rust function called `socket` would capture that name in our
//! own tests and tool as well. The plain names are aliases that the linker makes, for the cdylib
//! only: one `--defsym` each, and a version script that lets them out beside the one of rustc.
//!
//! The protocol core alone (no feature `library`) needs none of this.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const EXPORTS: &str = "src/abi/exports.txt";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/abi");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    if cfg!(feature = "library") {
        plain_names(&root);
        soname();
        small_start();
        crates();
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
        // A sanitizer's runtime calls it before our instrumented code can run.
        if plain == "dl_iterate_phdr" && env::var_os("CARGO_CFG_SANITIZE").is_some() {
            continue;
        }
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

/// Makes the loader's work short, as the library is loaded into every program of a net. With these
/// three it maps the library by three calls and no other library for it:
///
/// - The unwinder is linked in. The standard library asks for `libgcc_s.so`; the linker finds a
///   file of that name here first, which leads to the same functions in the compiler's
///   `libgcc_eh.a`.
/// - Constants and code are one segment.
/// - Zeroed variables (64 KiB) lie in the file, behind the others: otherwise they are a mapping of
///   their own.
///
/// They are written for `lld`, rustc's linker on x86-64. `plain_names` needs it, too: `bfd` takes
/// one version script only.
fn small_start() {
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo")).join("link");
    fs::create_dir_all(&out).expect("a folder in OUT_DIR");
    let cc = env::var_os("RUSTC_LINKER").unwrap_or("cc".into());
    let found = Command::new(cc).arg("-print-file-name=libgcc_eh.a").output();
    let unwinder = found.ok().and_then(|o| String::from_utf8(o.stdout).ok()).unwrap_or_default();
    // A compiler without that file says its bare name.
    if Path::new(unwinder.trim()).is_absolute() {
        let script = format!("INPUT({})\n", unwinder.trim());
        fs::write(out.join("libgcc_s.so"), script).expect("a linker script");
        println!("cargo:rustc-cdylib-link-arg=-L{}", out.display());
    }
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-rosegment");
    // A segment that began with something of a large alignment could leave out a page, which the
    // loader would have to protect.
    let data = "SECTIONS {\n  .data_start : { QUAD(0) }\n  \
                .data : { *(.data .data.[_.]*) *(.bss .bss.* COMMON) }\n}\n\
                INSERT AFTER .relro_padding;\n";
    fs::write(out.join("data.ld"), data).expect("a linker script");
    println!("cargo:rustc-cdylib-link-arg={}", out.join("data.ld").display());
}

/// Tells `understudy install` where cargo keeps the sources of other crates.
fn crates() {
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo = env::var_os("CARGO_HOME").map(PathBuf::from).or(home).unwrap_or_default();
    println!("cargo:rustc-env=UNDERSTUDY_CRATES={}", cargo.join("registry/src").display());
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
        let text = plain_comments(&String::from_utf8(text).expect("UTF-8")).into_bytes();
        let path = root.join(HEADER);
        if fs::read(&path).ok().as_ref() != Some(&text) {
            fs::create_dir_all(root.join("include")).expect("include/");
            fs::write(&path, text).expect("the header");
        }
    }

    /// Rust's documentation as a C programmer writes it: us_bind() for a link to `us_bind`, no
    /// backquotes, and no heading over what the caller has to see to.
    fn plain_comments(header: &str) -> String {
        header.replace(" # Safety\n", "").replace("[`", "").replace("`]", "()").replace('`', "")
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
