//! What is given up under pressure, in which order, and that it comes back.

use super::*;
use crate::{limits, shedding::Step};

/// Two visitors, an agent with both, and someone whose messages wait in the lane.
struct Pressed {
    world: World,
    normal: usize,
    vip: usize,
    agent: usize,
    busy: usize,
    said: usize,
}

impl Pressed {
    fn new() -> Self {
        let mut world = World::new(1);
        let agent = world.agent(0, "ann");
        let normal = world.visitor(0, "normal", "");
        let vip = world.visitor_of(0, "vip", Class::Vip, "");
        let busy = world.visitor(0, "busy", "");
        for client in [normal, vip, busy] {
            world.say(client, "first", "hello");
        }
        world.run();
        Self { world, normal, vip, agent, busy, said: 0 }
    }

    /// A tenth of a second in which each message stands in the lane for so long.
    fn window(&mut self, delay_ms: u64) {
        self.said += 1;
        self.world.say(self.busy, &format!("m{}", self.said), "more");
        self.world.wait_ms(0);
        self.world.wait_ms(delay_ms);
        self.world.wait_ms(100 - delay_ms);
    }

    fn step(&self) -> Step {
        self.world.shards[0].counts().step
    }

    fn told(&self) -> Vec<&str> {
        let told = self.world.of_type(self.agent, "shedding").into_iter();
        told.map(|message| message["step"].as_str().expect("a word")).collect()
    }

    /// How many of these the agent has seen since.
    fn typed(&mut self, client: usize) -> usize {
        let before = self.world.of_type(self.agent, "typing").len();
        self.world.send_text(client, r#"{"type":"typing","text":"I wa"}"#);
        self.world.wait_ms(0);
        self.world.wait_ms(0);
        self.world.wait_ms(0);
        self.world.of_type(self.agent, "typing").len() - before
    }
}

#[test]
fn each_step_is_taken_in_order_told_to_agents_and_given_back() {
    let mut pressed = Pressed::new();
    for expected in [Step::Typing, Step::Bot, Step::Conversations, Step::Messages, Step::Messages] {
        pressed.window(60);
        assert_eq!(pressed.step(), expected);
    }
    let late = pressed.world.agent(0, "late");
    assert_eq!(pressed.world.of_type(late, "shedding")[0]["step"], "messages", "who comes later knows, too");
    pressed.world.pass_ms(6_000);
    assert_eq!(pressed.step(), Step::None);
    let expected = ["typing", "bot", "conversations", "messages", "conversations", "bot", "typing", "none"];
    assert_eq!(pressed.told(), expected);
    assert_eq!(pressed.world.acks(pressed.busy).len(), 1 + pressed.said, "nothing taken was lost");
}

#[test]
fn typing_goes_first_and_not_that_of_vips() {
    let mut pressed = Pressed::new();
    let (normal, vip) = (pressed.normal, pressed.vip);
    assert_eq!((pressed.typed(normal), pressed.typed(vip)), (1, 1));
    // What was typed in the first of these waited for nothing.
    pressed.window(15);
    pressed.window(15);
    assert_eq!(pressed.step(), Step::Typing);
    assert_eq!((pressed.typed(normal), pressed.typed(vip)), (0, 1));
    assert_eq!(pressed.world.shards[0].counts().shed, [1, 0, 0]);
    pressed.world.pass_ms(2_000);
    assert_eq!(pressed.typed(normal), 1, "it comes back by itself");
}

#[test]
fn new_conversations_wait_outside_and_those_of_vips_do_not() {
    let mut pressed = Pressed::new();
    for _ in 0..3 {
        pressed.window(40);
    }
    assert_eq!(pressed.step(), Step::Conversations);
    let newcomer = pressed.world.visitor(0, "newcomer", "");
    // To say hello took the world some seconds.
    for _ in 0..3 {
        pressed.window(40);
    }
    pressed.world.say(newcomer, "n1", "is anybody there?");
    pressed.window(40);
    assert_eq!(pressed.world.refusal(newcomer).as_deref(), Some("overloaded"));
    let refused = pressed.world.of_type(newcomer, "refused")[0].clone();
    assert!(refused["retry_after_ms"].as_u64() > Some(0));
    assert_eq!(refused["place"], 1, "where it would stand: {refused}");
    pressed.world.say(pressed.normal, "n2", "I was here before");
    pressed.window(40);
    assert_eq!(pressed.world.refusal(pressed.normal), None);
    let vip = pressed.world.visitor_of(0, "vip2", Class::Vip, "");
    for _ in 0..3 {
        pressed.window(40);
    }
    assert_eq!(pressed.step(), Step::Conversations);
    pressed.world.say(vip, "v1", "hello");
    pressed.world.run();
    assert_eq!(pressed.world.acks(vip), [("v1".to_owned(), 1)]);
    pressed.world.pass_ms(6_000);
    pressed.world.say(newcomer, "n1", "is anybody there?");
    pressed.world.run();
    assert_eq!(pressed.world.acks(newcomer), [("n1".to_owned(), 1)], "nothing of the refused one remained");
}

#[test]
fn agents_loads_are_told_more_rarely_and_the_newest_is() {
    let mut pressed = Pressed::new();
    pressed.window(15);
    let before = pressed.world.of_type(pressed.agent, "presence").len();
    for capacity in [3, 4, 5] {
        let presence = format!(r#"{{"type":"presence","state":"ready","capacity":{capacity}}}"#);
        pressed.world.send_text(pressed.agent, &presence);
        pressed.window(15);
        pressed.window(15);
        pressed.window(15);
    }
    pressed.world.pass_ms(6_000);
    let told = pressed.world.of_type(pressed.agent, "presence");
    assert!(told.len() - before < 3, "each was told: {told:?}");
    assert_eq!(told.last().expect("the newest")["capacity"], 5);
}

#[test]
fn a_crowd_that_comes_at_once_does_not_make_those_wait_who_are_here() {
    const TURN: usize = limits::REQUESTS_A_TURN;
    let mut world = World::new(1);
    let here = world.visitor(0, "here", "");
    let mut crowd: Vec<_> = (0..3 * TURN + 2).map(|_| world.connect(0)).collect();
    world.say(here, "m1", "still there?");
    let answered = |world: &World, crowd: &[usize]| {
        crowd.iter().filter(|client| !world.clients[**client].urgencies.is_empty()).count()
    };
    world.tick();
    assert_eq!(answered(&world, &crowd), TURN);
    let late = world.connect(0);
    // One who waits has gone, and another says more before its turn has come.
    world.cut(crowd.remove(TURN));
    world.send_frame(crowd[TURN], Opcode::Ping, b"");
    world.tick();
    assert_eq!(answered(&world, &crowd), 2 * TURN - 1, "whoever has gone had his turn");
    world.tick();
    assert_eq!(
        world.acks(here),
        [("m1".to_owned(), 1)],
        "its lane, the disk, and the ack: as many turns as alone"
    );
    assert_eq!((answered(&world, &crowd), answered(&world, &[late])), (3 * TURN - 1, 0), "in their order");
    world.tick();
    assert_eq!((answered(&world, &crowd), answered(&world, &[late])), (crowd.len(), 1));
    world.run();
}

#[test]
fn those_who_are_refused_at_once_are_not_asked_back_at_once() {
    let mut world = World::new(1);
    let visitors = ["u1", "u2", "u3"].map(|name| world.visitor(0, name, ""));
    let vips = ["v1", "v2"].map(|name| world.visitor_of(0, name, Class::Vip, ""));
    world.shards[0].pressure(false, true);
    let asked_back = |world: &mut World, clients: &[usize]| -> Vec<_> {
        clients.iter().for_each(|client| world.say(*client, "m1", "hello"));
        world.tick();
        world.tick();
        clients.iter().map(|client| world.of_type(*client, "refused")[0]["retry_after_ms"].as_u64()).collect()
    };
    assert_eq!(asked_back(&mut world, &visitors), [Some(2_000), Some(2_020), Some(2_040)]);
    assert_eq!(asked_back(&mut world, &vips), [Some(2_000); 2]);
}
