//! A temporary folder that outlives a failure, so that one can look at the log.

use std::path::Path;

use tempfile::TempDir;

/// Removed when [`Folder::done`] was called; else kept, and its path printed.
pub struct Folder {
    folder: Option<TempDir>,
}

impl Folder {
    pub fn make() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("crash-").tempdir()?;
        Ok(Self { folder: Some(folder) })
    }

    pub fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// All is well: it may go.
    pub fn done(mut self) -> std::io::Result<()> {
        self.folder.take().map_or(Ok(()), TempDir::close)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            eprintln!("the log is kept in {}", folder.keep().display());
        }
    }
}
