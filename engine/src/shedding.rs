//! What a shard gives up, and in which order, when it is asked for more than it can do.
//!
//! A pure ladder: how long messages stand in the normal lane goes in, a step comes out. It climbs a step at a time
//! and fast, so that each step can help before the next one costs somebody something; it comes down a step at a
//! time and slowly, and only when the lane is well below what the step was taken at (hysteresis), so that it does
//! not flap. VIPs lose nothing at any step.

/// How much is given up. Each step includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing.
    #[default]
    None,
    /// What has no number: who is typing, what was read. Agents' loads are told more rarely.
    Typing,
    /// Answers of a bot: its conversations go to people.
    Bot,
    /// Conversations that have not begun: their first message is refused, with a time to try again.
    Conversations,
    /// Messages: what finds its lane full for [`crate::limits::HOLD_NORMAL_US`] is refused.
    Messages,
}

impl Step {
    /// Every step, from the lowest.
    pub const ALL: [Self; 5] = [Self::None, Self::Typing, Self::Bot, Self::Conversations, Self::Messages];

    /// The word in metrics, logs and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Typing => "typing",
            Self::Bot => "bot",
            Self::Conversations => "conversations",
            Self::Messages => "messages",
        }
    }

    /// The standing delay from which the step is taken, in microseconds.
    const fn taken_at_us(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Typing => 10_000,
            Self::Bot => 20_000,
            Self::Conversations => 30_000,
            Self::Messages => 50_000,
        }
    }

    fn above(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }

    fn below(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}

/// How long one look at the lane lasts: the least delay in it is the standing one. A burst that the shard works
/// off in this time is no overload (after CoDel, RFC 8289, section 3).
const WINDOW_MS: u64 = 100;
/// How long the delay must stay below half of what a step was taken at before the step is given back.
const CALM_MS: u64 = 1_000;

/// The ladder of one shard.
#[derive(Debug, Default)]
pub struct Ladder {
    step: Step,
    window_ends_ms: u64,
    /// The least delay of a message in this window.
    least_us: Option<u64>,
    /// Something was refused for want of room in this window.
    has_refused: bool,
    /// Since when it has been calm enough for a step down.
    calm_since_ms: Option<u64>,
}

impl Ladder {
    /// Where it stands.
    pub const fn step(&self) -> Step {
        self.step
    }

    /// A normal message was taken from its lane that long after its bytes came.
    pub fn delayed(&mut self, delay_us: u64) {
        self.least_us = Some(self.least_us.map_or(delay_us, |least| least.min(delay_us)));
    }

    /// A normal message was refused because its lane stayed full.
    pub fn refused(&mut self) {
        self.has_refused = true;
    }

    /// Looks at the window if it is over; the step, if that is another one now.
    pub fn look(&mut self, now_ms: u64) -> Option<Step> {
        if now_ms < self.window_ends_ms {
            return None;
        }
        self.window_ends_ms = now_ms + WINDOW_MS;
        let has_refused = std::mem::take(&mut self.has_refused);
        let standing_us =
            self.least_us.take().unwrap_or(0).max(if has_refused { Step::Messages.taken_at_us() } else { 0 });
        let before = self.step;
        match self.step.above() {
            Some(above) if standing_us >= above.taken_at_us() => {
                self.step = above;
                self.calm_since_ms = None;
            }
            _ if standing_us >= self.step.taken_at_us() / 2 => self.calm_since_ms = None,
            _ => {
                let since = *self.calm_since_ms.get_or_insert(now_ms);
                if now_ms >= since + CALM_MS {
                    self.step = self.step.below();
                    self.calm_since_ms = Some(now_ms);
                }
            }
        }
        (self.step != before).then_some(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of a constant delay, and the steps that are taken, with their times.
    fn check(ladder: &mut Ladder, now_ms: &mut u64, windows: usize, delay_us: u64) -> Vec<Step> {
        let mut taken = Vec::new();
        for _ in 0..windows {
            ladder.delayed(delay_us);
            // A burst beside it is not what stands.
            ladder.delayed(delay_us + 1_000_000);
            *now_ms += WINDOW_MS;
            taken.extend(ladder.look(*now_ms));
            assert_eq!(ladder.look(*now_ms), None, "one look a window");
        }
        taken
    }

    #[test]
    fn it_climbs_in_order_and_only_as_far_as_the_delay_asks_for() {
        use Step::{Bot, Conversations, Messages, Typing};
        let cases: [(u64, &[Step]); 6] = [
            (9_999, &[]),
            (10_000, &[Typing]),
            (20_000, &[Typing, Bot]),
            (30_000, &[Typing, Bot, Conversations]),
            (49_999, &[Typing, Bot, Conversations]),
            (500_000, &[Typing, Bot, Conversations, Messages]),
        ];
        for (delay_us, expected) in cases {
            let (mut ladder, mut now_ms) = (Ladder::default(), 0);
            assert_eq!(check(&mut ladder, &mut now_ms, 20, delay_us), expected, "{delay_us} µs");
        }
    }

    #[test]
    fn it_comes_down_in_order_and_not_while_the_delay_is_above_half() {
        use Step::{Bot, Conversations, None, Typing};
        let (mut ladder, mut now_ms) = (Ladder::default(), 0);
        check(&mut ladder, &mut now_ms, 10, 60_000);
        assert_eq!(ladder.step(), Step::Messages);
        assert_eq!(check(&mut ladder, &mut now_ms, 100, 25_000), [], "half of what it was taken at");
        let begun_ms = now_ms;
        assert_eq!(check(&mut ladder, &mut now_ms, 60, 0), [Conversations, Bot, Typing, None]);
        assert!(now_ms - begun_ms >= 4 * CALM_MS);
    }

    #[test]
    fn a_refusal_is_pressure_and_silence_is_calm() {
        let (mut ladder, mut now_ms) = (Ladder::default(), 0);
        for _ in 0..4 {
            ladder.refused();
            now_ms += WINDOW_MS;
            ladder.look(now_ms);
        }
        assert_eq!(ladder.step(), Step::Messages);
        for _ in 0..(5 * CALM_MS / WINDOW_MS) {
            now_ms += WINDOW_MS;
            ladder.look(now_ms);
        }
        assert_eq!(ladder.step(), Step::None, "nothing came: nothing stands");
    }
}
