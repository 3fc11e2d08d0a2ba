//! Certificate and key as files: read at the start, and again when the operator says that they are new. What is in
//! them is `codec::tls`'s.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use codec::tls::{TlsConfig, TlsConfigError};

/// Longest file in bytes: a chain of many certificates has some ten thousand.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain in PEM.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// Why they are of no use: the operator's fault.
#[derive(Debug)]
pub enum TlsFilesError {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// What one of them says cannot be used.
    Content(PathBuf, TlsConfigError),
    /// They cannot be used together.
    Pair(TlsFiles, TlsConfigError),
}

impl fmt::Display for TlsFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(
                f,
                "cannot read {}: {error}; check the path, and that this process's user may read it",
                path.display()
            ),
            Self::Content(path, error) => write!(f, "{} {error}", path.display()),
            Self::Pair(files, error) => {
                write!(f, "{} and {} {error}", files.certificate.display(), files.key.display())
            }
        }
    }
}

impl std::error::Error for TlsFilesError {}

impl TlsFiles {
    /// Reads both and checks that they belong together.
    pub fn load(&self) -> Result<TlsConfig, TlsFilesError> {
        let (certificate, key) = (read(&self.certificate)?, read(&self.key)?);
        TlsConfig::from_pem(&certificate, &key).map_err(|error| match error {
            TlsConfigError::NoKey => TlsFilesError::Content(self.key.clone(), error),
            TlsConfigError::NoCertificate => TlsFilesError::Content(self.certificate.clone(), error),
            TlsConfigError::Mismatch | TlsConfigError::Unusable(_) => {
                TlsFilesError::Pair(self.clone(), error)
            }
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFilesError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| TlsFilesError::Read(path.to_owned(), error))
}
