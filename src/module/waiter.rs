//! Clients that wait for a key's value, alone (`WARM.GET`) or for several at once (`WARM.MGET`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;

use super::api::blocked::BlockedClient;
use super::reply::{Refusal, Reply};

/// Somebody who waits for one key.
#[derive(Debug)]
pub enum Waiter {
    /// A client that asked for this key alone.
    Get(BlockedClient),
    /// One element of a client's list.
    Part(Rc<Gathering>, usize),
}

/// What a waiter is told.
#[derive(Clone, Debug)]
pub enum News {
    /// The value.
    Value(Bytes),
    /// There is no such key.
    Absent,
    /// Why there is no value.
    Refused(Refusal),
}

impl Waiter {
    /// Tells the waiter. Its client is answered if this was all it waited for.
    pub fn told(self, news: News) {
        match self {
            Waiter::Get(client) => client.answer(news.into_reply()),
            Waiter::Part(list, index) => list.told(index, news),
        }
    }
}

impl News {
    /// As the reply to a client that asked for this key alone.
    pub fn into_reply(self) -> Reply {
        match self {
            News::Value(bytes) => Reply::Bulk(bytes),
            News::Absent => Reply::Null,
            News::Refused(refusal) => refusal.into(),
        }
    }

    /// As an element of a list, where a failure is null.
    pub fn into_element(self) -> Reply {
        match self {
            News::Refused(_) => Reply::Null,
            other => other.into_reply(),
        }
    }
}

/// A client that waits for several keys; its elements are filled as they come.
#[derive(Debug)]
pub struct Gathering {
    client: RefCell<Option<BlockedClient>>,
    elements: RefCell<Vec<Reply>>,
    missing: Cell<usize>,
}

impl Gathering {
    /// A client that waits for `missing` of `elements`, which are null until told.
    pub fn new(client: BlockedClient, elements: Vec<Reply>, missing: usize) -> Rc<Self> {
        Rc::new(Gathering {
            client: RefCell::new(Some(client)),
            elements: RefCell::new(elements),
            missing: Cell::new(missing),
        })
    }

    fn told(&self, index: usize, news: News) {
        if let Some(element) = self.elements.borrow_mut().get_mut(index) {
            *element = news.into_element();
        }
        self.missing.set(self.missing.get().saturating_sub(1));
        if self.missing.get() == 0
            && let Some(client) = self.client.borrow_mut().take()
        {
            client.answer(Reply::Array(self.elements.take()));
        }
    }
}
