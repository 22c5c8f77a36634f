//! What an ELF file says about whether a library can be preloaded into it.
use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use object::{Architecture, Endianness, Object, ObjectKind, ObjectSection, ReadCache, ReadRef};
use std::path::Path;

/// An executable, as far as the preload is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// 32 or 64.
    pub bits: u8,
    /// The machine, as `uname -m` would name it.
    pub machine: String,
    /// The dynamic loader (PT_INTERP); `None`: statically linked.
    pub interpreter: Option<String>,
    /// Written in Go (the gc toolchain), whose programs make system calls themselves.
    pub go: bool,
}

/// Reads an ELF file, and of it only what is needed. `Ok(None)`: not an executable ELF file.
pub fn read(path: &Path) -> std::io::Result<Option<Elf>> {
    let file = ReadCache::new(std::fs::File::open(path)?);
    // A directory can be opened, but not read.
    file.len().map_err(|()| std::io::ErrorKind::IsADirectory)?;
    Ok(parse(&file))
}

fn parse<'data, R: ReadRef<'data>>(data: R) -> Option<Elf> {
    match data.read_bytes_at(0, 5).ok()? {
        [0x7f, b'E', b'L', b'F', 1] => describe::<FileHeader32<Endianness>, R>(data, 32),
        [0x7f, b'E', b'L', b'F', 2] => describe::<FileHeader64<Endianness>, R>(data, 64),
        _ => None,
    }
}

fn describe<'data, H, R>(data: R, bits: u8) -> Option<Elf>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let file: ElfFile<'data, H, R> = ElfFile::parse(data).ok()?;
    if !matches!(file.kind(), ObjectKind::Executable | ObjectKind::Dynamic) {
        return None;
    }
    let endian = file.endian();
    let interpreter = file.elf_program_headers().iter().find_map(|header| {
        let text = header.interpreter(endian, data).ok()??;
        Some(String::from_utf8_lossy(text).into_owned())
    });
    let go = file
        .sections()
        .any(|s| matches!(s.name(), Ok(".go.buildinfo" | ".note.go.buildid" | ".gopclntab")));
    Some(Elf { bits, machine: machine(file.architecture()), interpreter, go })
}

fn machine(architecture: Architecture) -> String {
    match architecture {
        Architecture::X86_64 => "x86_64".into(),
        Architecture::X86_64_X32 => "x86_64 (x32)".into(),
        Architecture::I386 => "i386".into(),
        Architecture::Aarch64 => "aarch64".into(),
        Architecture::Arm => "arm".into(),
        Architecture::Riscv64 => "riscv64".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_dynamic() {
        let me = read(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert_eq!((me.bits, me.machine.as_str()), (64, std::env::consts::ARCH));
        assert!(me.interpreter.is_some() && !me.go);
    }

    proptest::proptest! {
        #[test]
        fn damaged_files_never_panic(at in 0usize..4096, byte in 0u8..=255, len in 0usize..8192) {
            let mut data = std::fs::read("/bin/true").unwrap_or_default();
            data.truncate(len);
            if at < data.len() {
                data[at] = byte;
            }
            let _ = parse(data.as_slice());
        }
    }
}
