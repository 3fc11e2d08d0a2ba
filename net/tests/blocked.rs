//! Hosts that forbid io_uring: the choice falls back, and says what to change. Each check blocks its own
//! thread only, by a seccomp filter as containers have one.

#[path = "common/filter.rs"]
mod filter;

use net::{Backend, BackendChoice, Limits, fabric};

fn check(number: i32, remedy: &'static str) {
    let blocked = std::thread::spawn(move || {
        filter::block_io_uring(number);
        let chosen = fabric(2, BackendChoice::Auto, Limits::default()).expect("epoll is always there");
        assert_eq!(chosen.backend, Backend::Epoll);
        assert!(chosen.reason.contains(remedy), "{}", chosen.reason);
        let forced = fabric(2, BackendChoice::Exactly(Backend::Modern), Limits::default());
        let text = forced.expect_err("it is blocked").to_string();
        assert!(text.contains(remedy), "{text}");
        let forced = fabric(2, BackendChoice::Exactly(Backend::Basic), Limits::default());
        let text = forced.expect_err("it is blocked, too").to_string();
        assert!(text.contains(&remedy.replace("6.0", "5.1")), "{text}");
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
fn an_early_io_uring_gets_the_backend_that_needs_no_more() {
    let early = std::thread::spawn(|| {
        filter::register_as_linux_5_1();
        let chosen = fabric(2, BackendChoice::Auto, Limits::default()).expect("epoll is always there");
        assert_eq!(chosen.backend, Backend::Basic, "{}", chosen.reason);
        assert!(chosen.reason.starts_with("io_uring of Linux 5.1: this kernel passed"), "{}", chosen.reason);
        assert!(chosen.reason.contains("use Linux 6.0 or newer"), "{}", chosen.reason);
    });
    early.join().expect("the thread is content");
}

#[test]
fn what_the_kernel_allows_is_chosen_and_told() {
    let chosen = fabric(4, BackendChoice::Auto, Limits::default()).expect("one of them works");
    assert!(chosen.reason.contains("self-test") || chosen.backend == Backend::Epoll, "{}", chosen.reason);
    assert_eq!(chosen.ports.len(), 4);
    assert!(chosen.capacity.connections_per_shard > 0);
}
