//! Who speaks when: one thread's part of one step, as a schedule that knows nothing of answers. No clock.

use crate::{
    schedule::{Arrivals, Random},
    shared::TimedStep,
};

/// How long before a message its visitor is seen to type.
const TYPING_US: u64 = 1_500_000;
/// Streams of randomness of one step: more than there are threads.
const STREAMS_PER_STEP: u64 = 1 << 20;
/// Broadcasts have streams of their own.
const BROADCAST_STREAM: u64 = 1 << 50;

/// What is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// When it is due, microseconds of the reactors' clock.
    pub due_us: u64,
    /// Whose it is: the how-many-th of the thread's visitors, or agents.
    pub who: u32,
    /// It is seen to be typed from now on.
    pub typed: bool,
}

/// One thread's part of one step.
#[derive(Clone, Debug)]
pub struct Speech {
    arrivals: Arrivals,
    random: Random,
    begin_us: u64,
    people: u32,
    /// Who is still to speak, where each does once.
    order: Option<Vec<u32>>,
    lead_us: u64,
    next: Option<(u64, u32)>,
}

impl Speech {
    /// What the thread's `people` of `all` visitors say in step number `number`.
    pub fn of_visitors(
        number: usize,
        timed: &TimedStep,
        seed: u64,
        thread: usize,
        people: u32,
        all: u32,
        typing: bool,
    ) -> Self {
        let stream = number as u64 * STREAMS_PER_STEP + thread as u64;
        let rate = timed.rate * f64::from(people) / f64::from(all.max(1));
        let lead_us = if typing { TYPING_US } else { 0 };
        Self::new(timed, Random::new(seed, stream), rate, people, lead_us, timed.step.each_once)
    }

    /// What the thread's `people` of `all` agents say of their own accord.
    pub fn of_agents(
        number: usize,
        timed: &TimedStep,
        seed: u64,
        thread: usize,
        people: u32,
        all: u32,
    ) -> Self {
        let stream = BROADCAST_STREAM + number as u64 * STREAMS_PER_STEP + thread as u64;
        let rate = timed.step.broadcast_per_second * f64::from(people) / f64::from(all.max(1));
        Self::new(timed, Random::new(seed, stream), rate, people, 0, false)
    }

    fn new(
        timed: &TimedStep,
        mut random: Random,
        rate: f64,
        people: u32,
        lead_us: u64,
        each_once: bool,
    ) -> Self {
        // Where each speaks once, the last may be later than the rate says on average.
        let end_us = if each_once { u64::MAX } else { timed.end_us };
        let rate = if people == 0 { 0.0 } else { rate };
        let arrivals = Arrivals::new(Random::new(random.number(), 0), rate, timed.begin_us, end_us);
        let order = each_once.then(|| random.shuffled(people));
        let mut speech =
            Self { arrivals, random, begin_us: timed.begin_us, people, order, lead_us, next: None };
        speech.advance();
        speech
    }

    fn advance(&mut self) {
        let who = match &mut self.order {
            Some(order) => order.pop(),
            None if self.people == 0 => None,
            None => Some(self.random.below(self.people as usize) as u32),
        };
        self.next = who.and_then(|who| self.arrivals.next().map(|due_us| (due_us, who)));
    }

    /// When to ask [`Speech::next_by`] again; `None` if there is nothing more.
    pub fn wake_us(&self) -> Option<u64> {
        self.next.map(|(due_us, _)| due_us.saturating_sub(self.lead_us))
    }

    /// The next word, if its typing or itself is due by `now_us`.
    pub fn next_by(&mut self, now_us: u64) -> Option<Word> {
        if self.wake_us()? > now_us {
            return None;
        }
        let (due_us, who) = self.next?;
        self.advance();
        // What is due soon after the beginning comes without: else all of it would be typed at once.
        let typed = self.lead_us > 0 && due_us >= self.begin_us + self.lead_us;
        Some(Word { due_us, who, typed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Step;

    fn timed(each_once: bool, rate: f64, seconds: u64) -> TimedStep {
        let step = Step { each_once, broadcast_per_second: rate, ..Step::default() };
        let begin_us = 5_000_000;
        TimedStep { step, rate, search: false, begin_us, end_us: begin_us + seconds * 1_000_000 }
    }

    fn all(mut speech: Speech) -> Vec<Word> {
        std::iter::from_fn(|| speech.next_by(u64::MAX)).collect()
    }

    #[test]
    fn threads_together_speak_at_the_rate_and_within_the_time_of_the_step() {
        let timed = timed(false, 1_000.0, 50);
        let words: Vec<Word> = [(0, 30), (1, 70)]
            .into_iter()
            .flat_map(|(thread, people)| all(Speech::of_visitors(0, &timed, 1, thread, people, 100, true)))
            .collect();
        let expected: f64 = 50_000.0;
        assert!((words.len() as f64 - expected).abs() < 5.0 * expected.sqrt(), "{}", words.len());
        assert!(words.iter().all(|word| (timed.begin_us..timed.end_us).contains(&word.due_us)));
        let early = |word: &&Word| word.due_us < timed.begin_us + TYPING_US;
        assert!(words.iter().filter(early).all(|word| !word.typed));
        assert!(words.iter().filter(|word| !early(word)).all(|word| word.typed));
    }

    #[test]
    fn the_same_seed_gives_the_same_words_and_steps_and_threads_differ() {
        let timed = timed(false, 100.0, 10);
        let words =
            |seed, number, thread| all(Speech::of_visitors(number, &timed, seed, thread, 10, 10, false));
        assert_eq!(words(1, 0, 0), words(1, 0, 0));
        assert_ne!(words(1, 0, 0), words(2, 0, 0));
        assert_ne!(words(1, 0, 0), words(1, 1, 0));
        assert_ne!(words(1, 0, 0), words(1, 0, 1));
    }

    #[test]
    fn each_speaks_once_where_each_is_to() {
        let words = all(Speech::of_visitors(0, &timed(true, 100.0, 1), 1, 0, 1_000, 1_000, false));
        let mut who: Vec<u32> = words.iter().map(|word| word.who).collect();
        assert!(!who.is_sorted());
        who.sort_unstable();
        assert!(who.into_iter().eq(0..1_000));
    }

    #[test]
    fn typing_comes_before_the_word_and_nobody_says_nothing() {
        let timed = timed(false, 1.0, 100);
        let mut speech = Speech::of_visitors(0, &timed, 1, 0, 1, 1, true);
        let wake_us = speech.wake_us().expect("somebody speaks");
        assert!(speech.next_by(wake_us - 1).is_none());
        assert_eq!(speech.next_by(wake_us).expect("it is due").due_us, wake_us + TYPING_US);
        assert!(all(Speech::of_visitors(0, &timed, 1, 0, 0, 1, true)).is_empty());
        assert!(!all(Speech::of_agents(0, &timed, 1, 0, 1, 1)).is_empty());
    }
}
