//! What happens when nobody does anything.

use super::world::World;

#[test]
fn a_visitor_without_an_answer_goes_to_another_agent_when_the_first_is_silent() {
    let mut world = World::new(2);
    world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.agent(1, "bob");
    // More words give the agent no more time.
    world.pass_minutes(9);
    world.say(visitor, "m2", "hello?");
    world.pass_minutes(2);
    let story = world.seen(visitor, &conversation);
    assert_eq!(
        story,
        ["1 message: hello", "2 assigned: ann", "3 message: hello?", "4 assigned: nobody", "5 assigned: bob"]
    );
}

#[test]
fn a_visitor_who_says_nothing_more_frees_the_agent() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.agent_says(ann, &conversation, "r1", "welcome");
    world.pass_minutes(20);
    world.agent_says(ann, &conversation, "r2", "are you there?");
    world.pass_minutes(20);
    assert_eq!(world.seen(visitor, &conversation).len(), 4, "an agent who goes on writing gives time");
    world.pass_minutes(11);
    assert_eq!(world.seen(visitor, &conversation)[4..], ["5 closed: system"]);
    assert_eq!(world.presence(ann, "ann"), Some(0), "the seat is free");
    world.assert_gapless();
}

#[test]
fn who_does_not_rate_is_asked_for_a_while_and_may_still_rate_later() {
    for waits in [false, true] {
        let mut world = World::new(1);
        let ann = world.agent(0, "ann");
        let visitor = world.visitor(0, "u1", "");
        let conversation = world.conversation(visitor);
        world.say(visitor, "m1", "hello");
        world.run();
        world.send_text(ann, &format!(r#"{{"type":"close","conversation":"{conversation}"}}"#));
        world.run();
        assert_eq!(world.phase(&conversation), Some("Rating".to_owned()));
        if waits {
            world.pass_minutes(6);
            assert_eq!(world.phase(&conversation), Some("Closed".to_owned()));
        }
        world.send_text(visitor, r#"{"type":"rate","score":4}"#);
        world.say(visitor, "m2", "one more thing");
        world.run();
        assert_eq!(world.phase(&conversation), Some("Closed".to_owned()));
        let last = world.seen(visitor, &conversation).last().cloned();
        assert_eq!(last.as_deref(), Some(if waits { "5 rating: 4" } else { "4 rating: 4" }));
        assert_eq!(world.refusal(visitor).as_deref(), Some("conversation_closed"));
    }
}

#[test]
fn clocks_go_on_after_a_restart_where_they_were() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.agent_says(ann, &conversation, "r1", "welcome");
    world.run();
    world.pass_minutes(20);
    world.crash();
    world.agent(0, "ann");
    world.pass_minutes(9);
    assert_eq!(world.phase(&conversation), Some("Answered".to_owned()));
    world.pass_minutes(2);
    assert_eq!(world.phase(&conversation), Some("Closed".to_owned()));
    world.assert_gapless();
}
