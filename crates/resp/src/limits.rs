//! What bounds one client: how much it may send before and after it is known, and how much may wait for it.

use std::time::Duration;

/// The limits of one connection. The config has the same names under `[resp]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of one command.
    pub arguments_max: u32,
    /// Bytes of one argument; above, the connection is closed.
    pub argument_bytes_max: u32,
    /// Bytes of one command with all its arguments.
    pub command_bytes_max: u32,
    /// Bytes of a command that is written as a line.
    pub inline_bytes_max: u32,
    /// Commands read and not yet answered; above, nothing more is read.
    pub pipeline_max: usize,
    /// Reads under way at one time; above, no further command is begun.
    pub reads_max: usize,
    /// Bytes of answers that wait for their turn or to be sent; above, no further command is begun.
    pub output_pause_bytes: usize,
    /// Bytes of the values in one reply; above, it is an error instead.
    pub output_bytes_max: usize,
    /// Bytes of commands that are not whole, of all clients of the node; whoever drives the connections counts them.
    pub commands_bytes_max: usize,
    /// Time for a whole command, from its first bytes on.
    pub command_timeout: Duration,
    /// Time in which a client must take at least something of its replies.
    pub write_timeout: Duration,
}

/// Arguments of a command of somebody who has not said the password.
pub(crate) const STRANGER_ARGUMENTS_MAX: u32 = 10;
/// Bytes of an argument, or of a line, of somebody who has not said the password.
pub(crate) const STRANGER_ARGUMENT_BYTES_MAX: u32 = 16_384;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            arguments_max: 16_384,
            argument_bytes_max: (1 << 20) + (64 << 10),
            command_bytes_max: 64 << 20,
            inline_bytes_max: 64 << 10,
            pipeline_max: 1_024,
            reads_max: 64,
            output_pause_bytes: 1 << 20,
            output_bytes_max: 256 << 20,
            commands_bytes_max: 256 << 20,
            command_timeout: Duration::from_mins(2),
            write_timeout: Duration::from_mins(1),
        }
    }
}

impl Limits {
    /// What of these holds for somebody who has not said the password: a stranger makes nobody keep much.
    pub(crate) fn of_a_stranger(self) -> Limits {
        Limits {
            arguments_max: self.arguments_max.min(STRANGER_ARGUMENTS_MAX),
            argument_bytes_max: self.argument_bytes_max.min(STRANGER_ARGUMENT_BYTES_MAX),
            inline_bytes_max: self.inline_bytes_max.min(STRANGER_ARGUMENT_BYTES_MAX),
            ..self
        }
    }
}

/// Whether a client has said the password, where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Who {
    Known,
    #[default]
    Stranger,
}
