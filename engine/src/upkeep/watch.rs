//! How far a long piece of work has come, for a person at a terminal. Into a file or a pipe it says nothing.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line on standard error that changes.
#[derive(Debug)]
pub struct Watch {
    bar: ProgressBar,
}

impl Watch {
    /// Shows on a terminal only.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        bar.set_draw_target(target);
        let style = ProgressStyle::with_template("{msg:32} {bar:30} {percent:>3} %  {elapsed}");
        bar.set_style(style.expect("the template is right"));
        Self { bar }
    }

    /// A piece of work begins; what is returned takes how much is done, and of how much.
    pub fn begin(&self, what: &'static str) -> impl FnMut(u64, u64) {
        self.bar.reset();
        self.bar.set_message(what);
        let bar = self.bar.clone();
        move |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
