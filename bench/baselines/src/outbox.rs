//! What waits to be sent to one peer on a single thread, and the task that sends it: all that was queued meanwhile
//! leaves together.

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// A queue of `Q`, bytes or messages.
#[derive(Debug, Default)]
pub struct Outbox<Q>(Rc<RefCell<Inner<Q>>>);

#[derive(Debug, Default)]
struct Inner<Q> {
    queued: Q,
    has_some: bool,
    is_closed: bool,
    waker: Option<Waker>,
}

impl<Q> Clone for Outbox<Q> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<Q: Default> Outbox<Q> {
    /// Queues with `put`, and wakes who sends.
    pub fn queue(&self, put: impl FnOnce(&mut Q)) {
        let mut inner = self.0.borrow_mut();
        put(&mut inner.queued);
        inner.has_some = true;
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// Nothing more will come: whoever sends shall end.
    pub fn close(&self) {
        let mut inner = self.0.borrow_mut();
        inner.is_closed = true;
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// All that is queued, as soon as there is something; `spare` is filled next. `None`: closed.
    pub async fn take(&self, spare: Q) -> Option<Q> {
        let mut spare = Some(spare);
        poll_fn(|context| {
            let mut inner = self.0.borrow_mut();
            if inner.has_some {
                inner.has_some = false;
                let spare = spare.take().expect("polled no more once it was ready");
                return Poll::Ready(Some(std::mem::replace(&mut inner.queued, spare)));
            }
            if inner.is_closed {
                return Poll::Ready(None);
            }
            inner.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
