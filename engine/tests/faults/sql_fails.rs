//! The database's disk fails while the journal's works: nobody notices, and later SQL has everything.

use fuser::Errno;

use crate::{
    BACKENDS,
    desk::Desk,
    disk::FaultyDisk,
    harm::{Harm, Operation},
    ledger::{Answer, Visitor},
};

const VISITORS: usize = 4;

fn is_database(name: &str) -> bool {
    name.starts_with("ringdesk.db")
}

#[test]
fn a_chat_goes_on_while_the_database_fails_and_a_kill_in_between_loses_nothing() {
    for backend in BACKENDS {
        for is_killed in [false, true] {
            eprintln!("backend {backend}, killed {is_killed}");
            let real = tempfile::tempdir().expect("a folder for the data");
            let Some(disk) = FaultyDisk::mount(real.path()) else { return };
            let mut desk = Desk::on(&disk.path().join("data"), backend, 2);
            desk.start_again();
            desk.add_agent("ann", "supervisor");
            let token = desk.login("ann");
            let mut visitors = Visitor::crowd(&desk, VISITORS);
            for operation in [Operation::Write, Operation::Sync] {
                disk.harms.order(is_database, operation, Harm::Fail(Errno::EIO));
            }
            for visitor in &mut visitors {
                for _ in 0..20 {
                    assert!(matches!(visitor.talk(), Answer::Acknowledged(_)), "the journal has it");
                }
            }
            desk.wait_for_metric(|name, value| name == "ringdesk_projection_errors_total" && value > 0.0);
            assert!(disk.harms.struck() > 0);
            assert_eq!(desk.both_ports("/health/ready"), [200, 200]);
            if is_killed {
                desk.kill();
                disk.harms.lift();
                desk.start_again();
            } else {
                disk.harms.lift();
                desk.wait_for_metric(|name, value| name == "ringdesk_projection_lag_records" && value == 0.0);
            }
            for visitor in &mut visitors {
                visitor.check_all_kept(&desk, &token);
            }
            assert_eq!(desk.stop(), Some(0));
        }
    }
}
