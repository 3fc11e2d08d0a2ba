//! Writing behind: what a thread writes to the page cache, given to the disk bit by bit.

use std::{fs::File, io, os::fd::AsRawFd};

/// Has the kernel begin to write what it holds of the file and has not begun to write (`sync_file_range(2)`,
/// SYNC_FILE_RANGE_WRITE). Nothing is durable by that; but a later sync finds less to do, and so does whoever waits
/// behind it for the same disk.
pub fn start_writeback(file: &File) -> io::Result<()> {
    // SAFETY: no pointer is passed; the descriptor is open for as long as `file` is borrowed.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_written_can_be_given_to_the_disk_and_a_pipe_cannot() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[7; 64 * 1024]).expect("written");
        start_writeback(&file).expect("begun");
        let (reader, _writer) = io::pipe().expect("a pipe");
        let error = start_writeback(&File::from(std::os::fd::OwnedFd::from(reader))).expect_err("no file");
        assert_eq!(error.raw_os_error(), Some(libc::ESPIPE));
    }
}
