//! [`Mutant::GoesOnInTheTornSegment`]: recovery that begins no new segment.

use std::path::Path;
use std::sync::Arc;

use super::{Mutant, planted};
use crate::io::{Io, OpenMode};
use crate::machine::{Active, Resume};
use crate::recovery::{Opening, Recovery};
use crate::survey::{Survey, Tail};
use crate::{Error, Lsn};

/// The log, opened to go on where its last intact frame ends; `None` if that cannot be or the bug is not in force.
pub(crate) fn resume(
    io: &Arc<dyn Io>,
    dir: &Path,
    survey: &mut Survey,
    tail: Option<&Tail>,
) -> Result<Option<(Resume, Recovery)>, Error> {
    let Some(tail) = tail.filter(|tail| tail.sealed.is_none() && tail.last_lsn > Lsn::ZERO) else {
        return Ok(None);
    };
    if !planted(Mutant::GoesOnInTheTornSegment) {
        return Ok(None);
    }
    let Some(newest) = survey.segments.pop() else { return Ok(None) };
    let file = io.open(&newest.path, OpenMode::ReadWrite).map_err(Error::io("open", &newest.path))?;
    let active = Active { header: newest.header, file, offset: tail.end, chain_crc: tail.chain_crc };
    let begun = Opening { active, last_lsn: tail.last_lsn };
    Ok(Some(begun.resume(io, (dir, &newest.path), survey, (tail.state(), 0))))
}
