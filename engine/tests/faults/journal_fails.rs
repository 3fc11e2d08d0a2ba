//! A disk that fails under one shard's journal: it promises nothing more, says so to everybody, and the other
//! shard goes on. After the repair and a restart, what was acknowledged is there, once.

use std::time::Duration;

use fuser::Errno;
use serde_json::json;

use crate::{
    BACKENDS,
    desk::Desk,
    disk::FaultyDisk,
    harm::{Files, Harm, Operation},
    ledger::{Answer, Visitor},
};

const SHARDS: usize = 2;
/// Enough that each shard has some.
const VISITORS: usize = 6;

/// The segments of each shard.
const SEGMENTS: [Files; SHARDS] = [|name| is_segment(name, "00-"), |name| is_segment(name, "01-")];

fn is_segment(name: &str, stream: &str) -> bool {
    name.starts_with(stream) && name.ends_with(".seg")
}

/// A desk over a faulty disk, with an agent and a crowd that has said something.
struct Scene {
    desk: Desk,
    disk: FaultyDisk,
    token: String,
    visitors: Vec<Visitor>,
    _real: tempfile::TempDir,
}

impl Scene {
    fn open(backend: &'static str) -> Option<Self> {
        let real = tempfile::tempdir().expect("a folder for the data");
        let disk = FaultyDisk::mount(real.path())?;
        let mut desk = Desk::on(&disk.path().join("data"), backend, SHARDS);
        desk.start_again();
        desk.add_agent("ann", "supervisor");
        let token = desk.login("ann");
        let mut visitors = Visitor::crowd(&desk, VISITORS);
        for visitor in &mut visitors {
            for _ in 0..3 {
                assert!(matches!(visitor.talk(), Answer::Acknowledged(_)));
            }
        }
        Some(Self { desk, disk, token, visitors, _real: real })
    }

    /// Visitors of that shard, and all others.
    fn split(&mut self, shard: usize) -> (Vec<&mut Visitor>, Vec<&mut Visitor>) {
        let desk = &self.desk;
        self.visitors.iter_mut().partition(|visitor| visitor.shard(desk) == shard)
    }
}

#[test]
fn a_shard_whose_disk_fails_promises_nothing_more_and_says_so() {
    let harms = [
        (Operation::Write, Harm::Fail(Errno::EIO)),
        (Operation::Sync, Harm::Fail(Errno::EIO)),
        (Operation::Write, Harm::Fail(Errno::ENOSPC)),
    ];
    for backend in BACKENDS {
        for (number, (operation, harm)) in harms.into_iter().enumerate() {
            let shard = number % SHARDS;
            eprintln!("backend {backend}, {operation:?} {harm:?} under shard {shard}");
            let Some(scene) = Scene::open(backend) else { return };
            check_failed_shard(scene, shard, operation, harm);
        }
    }
}

fn check_failed_shard(mut scene: Scene, shard: usize, operation: Operation, harm: Harm) {
    let mut agent = scene.desk.ready_agent(&scene.token, 20);
    for _ in 0..VISITORS {
        agent.wait_until("event", |event| event["kind"] == "assigned");
    }
    assert_eq!(scene.desk.both_ports("/health/ready"), [200, 200]);

    scene.disk.harms.order(SEGMENTS[shard], operation, harm);
    let (mut failed, mut well) = scene.split(shard);
    let told = Answer::Closed("storage_failed".to_owned(), Some(1013));
    assert_eq!(failed[0].talk(), told);
    for visitor in &mut failed[1..] {
        assert_eq!(visitor.farewell(), ("storage_failed".to_owned(), Some(1013)));
    }
    let conversation = failed[0].conversation.clone();
    for visitor in &mut well {
        assert!(matches!(visitor.talk(), Answer::Acknowledged(_)), "another disk is no matter of theirs");
    }
    agent.say_in(&conversation, "r1", "are you there?");
    let refused = agent.answer_to("r1").expect("agents stay");
    assert_eq!((&refused["type"], &refused["code"]), (&json!("refused"), &json!("storage_failed")));
    assert!(refused["retry_after_ms"].as_u64() > Some(0));
    assert!(scene.disk.harms.struck() > 0);

    let desk = &scene.desk;
    assert_eq!(desk.both_ports("/health/ready"), [503, 503]);
    assert_eq!(desk.both_ports("/health/live"), [200, 200]);
    let metrics = desk.metrics_text();
    assert!(metrics.contains("ringdesk_journals_failed 1\n"), "{metrics}");
    let log = desk.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(lines.len() == 1 && lines[0].contains("Restart the server when the disk is well"), "{log}");

    assert_eq!(scene.desk.stop(), Some(1));
    let log = scene.desk.log();
    assert!(log.contains(&format!("the journal of shard {shard} had failed: check the disk")), "{log}");
    scene.disk.harms.lift();
    check_all_is_there(&mut scene);
}

fn check_all_is_there(scene: &mut Scene) {
    scene.desk.start_again();
    assert_eq!(scene.desk.both_ports("/health/ready"), [200, 200]);
    for visitor in &mut scene.visitors {
        visitor.check_all_kept(&scene.desk, &scene.token);
    }
    assert_eq!(scene.desk.stop(), Some(0));
}

#[test]
fn a_write_cut_short_is_finished_or_never_acknowledged() {
    for backend in BACKENDS {
        let Some(mut scene) = Scene::open(backend) else { return };
        scene.disk.harms.order(SEGMENTS[0], Operation::Write, Harm::Short);
        let (mut failed, mut well) = scene.split(0);
        for visitor in well.iter_mut().chain(&mut failed) {
            let answer = visitor.talk();
            eprintln!("backend {backend}: {answer:?}");
        }
        assert!(scene.disk.harms.struck() > 0);
        scene.disk.harms.lift();
        scene.desk.kill();
        check_all_is_there(&mut scene);
    }
}

#[test]
fn a_slow_disk_makes_acks_wait_and_groups_grow() {
    const MESSAGES: usize = 40;
    for backend in BACKENDS {
        let Some(mut scene) = Scene::open(backend) else { return };
        let slow = Harm::Slow(Duration::from_millis(200));
        for files in SEGMENTS {
            scene.disk.harms.order(files, Operation::Sync, slow);
        }
        let said: Vec<Vec<String>> =
            scene.visitors.iter_mut().map(|visitor| (0..MESSAGES).map(|_| visitor.say()).collect()).collect();
        for (visitor, said) in scene.visitors.iter_mut().zip(said) {
            for id in said {
                assert!(matches!(visitor.answer(&id), Answer::Acknowledged(_)));
            }
        }
        let (messages, syncs) = ((VISITORS * MESSAGES) as u64, scene.disk.harms.struck());
        assert!(syncs > 0 && syncs * 2 < messages, "{syncs} syncs for {messages} messages");
        scene.desk.kill();
        scene.disk.harms.lift();
        check_all_is_there(&mut scene);
    }
}
