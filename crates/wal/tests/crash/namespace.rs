//! Namespaces of the kernel for this program by itself, which it enters by starting itself anew in them.
//!
//! Whatever is mounted, joined to a network or started there is gone when this program is, whatever ends it. Who is not
//! root may be root in a user namespace, which is enough for much of it.

use std::process::Command;
use std::sync::OnceLock;

use crate::tools::tool;

/// Set in the namespaces, to the flags by which they were made.
const ENTERED: &str = "TEST_NAMESPACES";
/// Set in the namespaces, to why those that were wished for before are not to be had.
const REFUSED: &str = "TEST_NAMESPACES_REFUSED";

/// Namespaces that a test would like to be in.
pub struct Wish {
    /// Of `unshare`.
    pub flags: &'static [&'static str],
    /// A command of the shell that must go well in them before anything else runs there.
    pub prepare: &'static str,
}

static WHY_NOT: OnceLock<String> = OnceLock::new();

/// Starts this program anew in the first of the wished namespaces that are to be had; returns where none are, or where
/// these already are the new ones.
pub fn enter(wishes: &[Wish]) {
    if std::env::var_os(ENTERED).is_some() {
        return;
    }
    let mut why = Vec::new();
    for wish in wishes {
        let tried = wish.command("exit 0").and_then(|mut command| tool(&mut command).map(drop));
        why.push(match tried {
            Ok(()) => wish.become_it(&why.join("; ")),
            Err(why) => why,
        });
    }
    // What comes next runs without, and says why.
    WHY_NOT.set(why.join("; ")).unwrap_or_default();
}

/// Whether this program is in namespaces that were made with `flag` of `unshare`; else why not.
pub fn has(flag: &str) -> Result<(), String> {
    let entered = std::env::var(ENTERED).unwrap_or_default();
    if entered.split(' ').any(|one| one == flag) {
        return Ok(());
    }
    let why = WHY_NOT.get().cloned().or_else(|| std::env::var(REFUSED).ok()).unwrap_or_default();
    Err(format!("no namespace of our own ({}): {why}", flag.trim_start_matches('-')))
}

impl Wish {
    /// The command that prepares the namespaces and then runs `then`, which may use its arguments.
    fn command(&self, then: &str) -> Result<Command, String> {
        let root = tool(Command::new("id").arg("-u"))?.trim() == "0";
        let mut command = Command::new("unshare");
        command.args(if root { &[][..] } else { &["--map-root-user"] });
        let script = format!("{} || exit 1; {then}", self.prepare);
        command.args(self.flags).args(["--", "sh", "-c", &script]);
        Ok(command)
    }

    #[cfg(unix)]
    fn become_it(&self, refused: &str) -> String {
        use std::os::unix::process::CommandExt;
        // Where the first process is the init of the namespace it stays, as an init would be deaf to signals.
        let then =
            if self.flags.contains(&"--fork") { "\"$0\" \"$@\"; exit $?" } else { "exec \"$0\" \"$@\"" };
        let own = std::env::current_exe().map_err(|error| error.to_string());
        let command = own.and_then(|own| {
            let mut command = self.command(then)?;
            command.arg(own).args(std::env::args_os().skip(1)).env(ENTERED, self.flags.join(" "));
            command.env(REFUSED, refused);
            Ok(command)
        });
        command.map_or_else(|why| why, |mut command| format!("unshare: {}", command.exec()))
    }

    #[cfg(not(unix))]
    fn become_it(&self, _refused: &str) -> String {
        "no namespaces here".to_owned()
    }
}
