//! File systems that the tests may fill and cut off, in a mount namespace of their own.
//!
//! Invariant: nothing is mounted anywhere but in a private mount namespace, which this process enters before it starts
//! a thread ([`namespace::enter`]). Whatever ends it, and be it SIGKILL, the kernel then unmounts all of it and lets
//! go of the loop devices, which are attached with "detach when unused". The guards here do the same earlier.

use std::path::{Path, PathBuf};
use std::process::Command;

use quorate_wal::io::OpenMode;
use quorate_wal::{Io, StdIo};

use crate::folder::Folder;
use crate::namespace;
use crate::tools::{poll, tool};

/// Enough for ext4 with a journal and a few hundred segments.
const IMAGE_BYTES: u64 = 64 << 20;
/// `EXT4_IOC_SHUTDOWN`, that is `_IOR('X', 125, __u32)`, with `EXT4_GOING_FLAGS_NOLOGFLUSH`: from this moment nothing
/// more reaches the disk, not even the journal.
const CUT: &[(&str, &str, &str)] = &[
    ("perl", "-e", "open(F, '<', $ARGV[0]) && ioctl(F, 0x8004587d, pack('L', 2)) || die \"$!\\n\""),
    (
        "python3",
        "-c",
        "import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587d, struct.pack('I', 2))",
    ),
];

/// Something mounted; dropped, it is unmounted.
pub struct Mount {
    point: PathBuf,
    mounted: bool,
}

impl Mount {
    fn make(point: &Path, arguments: &[&str]) -> Result<Self, String> {
        namespace::has("--mount")?;
        StdIo.ensure_dir(point).map_err(|error| format!("{}: {error}", point.display()))?;
        tool(Command::new("mount").arg("-n").args(arguments).arg(point))?;
        Ok(Self { point: point.to_owned(), mounted: true })
    }

    /// A disk of `bytes` bytes, in memory.
    pub fn tmpfs(point: &Path, bytes: u64) -> Result<Self, String> {
        Self::make(point, &["-t", "tmpfs", "-o", &format!("size={bytes}"), "none"])
    }

    fn unmount(&mut self) -> Result<(), String> {
        let mut why = String::new();
        // Busy for as long as the kernel needs to bury who used it.
        let gone = poll(|| {
            let tried = tool(Command::new("umount").arg("-n").arg(&self.point));
            tried.map_err(|error| why = error).is_ok()
        });
        self.mounted = !gone;
        if gone { Ok(()) } else { Err(why) }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted && self.unmount().is_err() {
            drop(tool(Command::new("umount").args(["-n", "-l"]).arg(&self.point)));
        }
    }
}

/// A real ext4 whose power can be cut. Its image lies in memory: what is under ext4 loses nothing anyway.
pub struct Ext4 {
    mount: Mount,
    image: PathBuf,
    /// Unmounted before it goes.
    memory: Mount,
    folder: PathBuf,
    released: bool,
}

impl Ext4 {
    /// Made and mounted in `folder`.
    pub fn make(folder: &Path) -> Result<Self, String> {
        let memory = Mount::tmpfs(&folder.join("memory"), 2 * IMAGE_BYTES)?;
        let image = memory.point.join("image");
        StdIo
            .open(&image, OpenMode::Create)
            .and_then(|file| file.write_all_at(&[0], IMAGE_BYTES - 1))
            .map_err(|error| format!("{}: {error}", image.display()))?;
        tool(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let mount = Self::mount(&image, &folder.join("disk"))?;
        Ok(Self { mount, image, memory, folder: folder.to_owned(), released: false })
    }

    fn mount(image: &Path, point: &Path) -> Result<Mount, String> {
        Mount::make(point, &["-t", "ext4", "-o", "loop", &image.to_string_lossy()])
    }

    pub fn path(&self) -> &Path {
        &self.mount.point
    }

    /// From now on nothing reaches the disk.
    pub fn cut_power(&self) -> Result<(), String> {
        let mut why = Vec::new();
        for (interpreter, flag, program) in CUT {
            match tool(Command::new(interpreter).args([flag, program]).arg(self.path())) {
                Ok(_) => return Ok(()),
                Err(error) => why.push(error),
            }
        }
        Err(format!("EXT4_IOC_SHUTDOWN: {}", why.join("; ")))
    }

    /// The power is back; nobody may still use it.
    pub fn power_on(&mut self) -> Result<(), String> {
        self.mount.unmount()?;
        self.mount = Self::mount(&self.image, &self.mount.point)?;
        Ok(())
    }

    /// All is well: unmounts it, and sees to it that the loop device is free again.
    pub fn release(mut self) -> Result<(), String> {
        self.released = true;
        self.mount.unmount()?;
        let attached = || tool(Command::new("losetup").arg("-j").arg(&self.image));
        if !poll(|| attached().is_ok_and(|lines| lines.trim().is_empty())) {
            return Err(format!("still attached: {:?}", attached()));
        }
        self.memory.unmount()
    }
}

impl Drop for Ext4 {
    /// After a failure the image is kept, as it is.
    fn drop(&mut self) {
        if !self.released {
            let kept = self.folder.join("ext4.image");
            drop(tool(Command::new("cp").arg("--sparse=always").arg(&self.image).arg(&kept)));
            eprintln!("the disk is kept as {}", kept.display());
        }
    }
}

/// Whether power can be cut here: what was synced must then be there, and what was not must be gone.
pub fn probe_power() -> Result<(), String> {
    static PROBED: std::sync::OnceLock<Result<(), String>> = std::sync::OnceLock::new();
    PROBED.get_or_init(try_power).clone()
}

fn try_power() -> Result<(), String> {
    namespace::has("--mount")?;
    let folder = Folder::make().map_err(|error| error.to_string())?;
    let tried = cut_and_look(folder.path());
    folder.done().map_err(|error| error.to_string())?;
    tried
}

fn cut_and_look(folder: &Path) -> Result<(), String> {
    let mut disk = Ext4::make(folder)?;
    write_both(disk.path()).map_err(|error| error.to_string())?;
    disk.cut_power()?;
    disk.power_on()?;
    let found = StdIo.read(&disk.path().join("file"), 1 << 20).map_err(|error| error.to_string())?;
    disk.release()?;
    if found == [1; 4096] {
        return Ok(());
    }
    Err(format!("a cut kept {} bytes, where 4096 were synced and 4096 not", found.len()))
}

fn write_both(dir: &Path) -> std::io::Result<()> {
    let file = StdIo.open(&dir.join("file"), OpenMode::Create)?;
    file.write_all_at(&[1; 4096], 0)?;
    file.sync_data()?;
    StdIo.sync_dir(dir)?;
    file.write_all_at(&[2; 4096], 4096)
}

/// Whether a small disk can be mounted here.
pub fn probe_tmpfs() -> Result<(), String> {
    namespace::has("--mount")?;
    let folder = Folder::make().map_err(|error| error.to_string())?;
    let tried = Mount::tmpfs(&folder.path().join("disk"), 1 << 20).map(drop);
    folder.done().map_err(|error| error.to_string())?;
    tried.map_err(|why| format!("tmpfs: {why}"))
}
