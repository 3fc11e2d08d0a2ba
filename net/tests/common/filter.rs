//! Hosts that forbid io_uring, or have an early one: a seccomp filter on the calling thread, as containers
//! have one. What is run under it is not known here.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]

/// Offset of the low half of the second argument in what a filter sees.
const SECOND_ARGUMENT: u32 = 24;
/// The last way of registering something that Linux 5.1 had.
const REGISTRATION_MAX: u32 = 3;

fn statement(code: u32, jump_true: u8, jump_false: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: jump_true, jf: jump_false, k: value }
}

fn load(offset: u32) -> libc::sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn answer(value: u32) -> libc::sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, 0, 0, value)
}

/// Makes `io_uring_setup` fail with `number`.
pub fn block_io_uring(number: i32) {
    install(&mut [
        // The number of the system call is the first word.
        load(0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_io_uring_setup as u32),
        answer(libc::SECCOMP_RET_ERRNO | number as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ]);
}

/// Makes `io_uring_register` know what it knew in Linux 5.1.
pub fn register_as_linux_5_1() {
    install(&mut [
        load(0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 3, libc::SYS_io_uring_register as u32),
        load(SECOND_ARGUMENT),
        statement(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 0, 1, REGISTRATION_MAX),
        answer(libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ]);
}

fn install(filter: &mut [libc::sock_filter]) {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: both calls read their arguments and keep no pointer: the kernel copies the program, which is of
    // this frame, and its filter, which is borrowed. They change the calling thread only.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}
