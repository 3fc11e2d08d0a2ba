//! Hosts that forbid io_uring: the choice falls back, and says what to change. Each check blocks its own
//! thread only, by a seccomp filter as containers have one.

use net::{Backend, BackendChoice, Limits, fabric};

/// Makes `io_uring_setup` fail with `number` for the calling thread.
fn block_io_uring(number: i32) {
    let statement = |code: u32, jump_true: u8, jump_false: u8, value: u32| libc::sock_filter {
        code: code as u16,
        jt: jump_true,
        jf: jump_false,
        k: value,
    };
    let mut filter = [
        // The number of the system call is the first word.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_io_uring_setup as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | number as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: both calls read their arguments and keep no pointer: the kernel copies the program, which and
    // whose filter live in this frame. They change the calling thread only.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}

fn check(number: i32, remedy: &'static str) {
    let blocked = std::thread::spawn(move || {
        block_io_uring(number);
        let chosen = fabric(2, BackendChoice::Auto, Limits::default()).expect("epoll is always there");
        assert_eq!(chosen.backend, Backend::Epoll);
        assert!(chosen.reason.contains(remedy), "{}", chosen.reason);
        let forced = fabric(2, BackendChoice::Exactly(Backend::Modern), Limits::default());
        let text = forced.expect_err("it is blocked").to_string();
        assert!(text.contains(remedy), "{text}");
    });
    blocked.join().expect("the thread is content");
}

#[test]
fn a_forbidden_io_uring_is_replaced_and_the_filter_named() {
    check(libc::EPERM, "seccomp");
}

#[test]
fn an_absent_io_uring_is_replaced_and_the_kernel_named() {
    check(libc::ENOSYS, "Linux 6.0 or newer");
}

#[test]
fn what_the_kernel_allows_is_chosen_and_told() {
    let chosen = fabric(4, BackendChoice::Auto, Limits::default()).expect("one of them works");
    assert!(chosen.reason.contains("self-test") || chosen.backend == Backend::Epoll, "{}", chosen.reason);
    assert_eq!(chosen.ports.len(), 4);
    assert!(chosen.capacity.connections_per_shard > 0);
}
