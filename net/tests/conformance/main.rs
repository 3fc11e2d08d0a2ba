//! What every backend must do, in the same words for each. What one backend does inside is not tested here.

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod files;
mod many;
mod moving;
mod rest;
mod traffic;
mod waking;

use std::{io::Read, net::TcpStream};

use self::{ends::*, files::*, many::*, moving::*, rest::*, traffic::*, waking::*};

macro_rules! suite {
    ($($scenario:ident,)*) => {
        mod basic {
            $(#[test] fn $scenario() { super::$scenario(net::Backend::Basic); })*
        }
        mod epoll {
            $(#[test] fn $scenario() { super::$scenario(net::Backend::Epoll); })*
        }
        mod modern {
            $(#[test] fn $scenario() { super::$scenario(net::Backend::Modern); })*
        }
    };
}

suite! {
    what_a_peer_sends_can_be_sent_back,
    both_ends_of_a_connection_can_be_ours,
    a_local_address_can_be_chosen,
    the_peers_address_is_known,
    each_connection_of_a_storm_comes_with_its_own_address,
    a_large_transfer_survives_a_slow_reader,
    large_transfers_run_both_ways_at_once,
    many_small_writes_arrive_in_order,
    a_full_outbox_refuses_and_says_when_it_drained,
    a_peer_that_closes_is_reported_after_its_bytes,
    a_peer_that_resets_is_reported,
    a_reset_right_behind_bytes_is_reported,
    close_sends_what_is_queued_first,
    close_ends_although_the_peer_reads_nothing,
    abort_ends_at_once_and_says_why,
    a_stale_name_harms_nobody,
    a_refused_connection_is_reported,
    a_listener_that_stopped_takes_no_more,
    shards_share_one_port,
    a_connection_moves_between_shards_under_traffic,
    many_connections_move_at_once_with_their_tokens,
    who_is_hurried_is_sent_to_in_the_next_turn_and_everybody_in_the_end,
    what_is_queued_leaves_before_the_connection_does,
    a_connection_whose_peer_left_is_closed_and_not_handed_over,
    a_waker_is_never_lost,
    a_waker_is_never_lost_while_a_send_waits,
    work_made_visible_to_ready_is_not_slept_over,
    durable_writes_are_in_the_file,
    a_write_that_ended_is_told_before_the_next_turn_and_what_came_in_is_kept,
    writes_to_what_is_not_there_fail,
    a_device_that_is_full_fails_the_write,
    more_readable_bytes_than_buffers_lose_none,
    thousands_of_connections_leave_nothing_behind,
    connections_over_the_limit_wait_for_a_slot,
    hundreds_of_slow_readers_delay_nobody_else,
    bytes_at_the_moment_of_rest_are_not_lost,
    only_the_quiet_rest,
    a_quiet_connection_tells_of_a_reset_and_of_an_end,
    a_quiet_connection_moves_with_the_bytes_that_wake_it,
    a_quiet_connection_can_be_closed_and_aborted,
}

/// Everything again where the kernel refuses what Linux 5.1 had not: in a process of its own, because the
/// variable that asks for it is the process's.
#[test]
fn basic_needs_nothing_that_linux_5_1_had_not() {
    let program = std::env::current_exe().expect("a test is a program");
    let run = std::process::Command::new(program).arg("basic::").env("RINGDESK_RESTRICT_51", "1").output();
    let output = run.expect("it can be started");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains(" passed; 0 failed; 0 ignored"), "{told}");
}

fn stream(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the shard listens");
    stream.set_nodelay(true).expect("a socket option");
    stream
}

fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the peer ends in order");
    bytes
}
