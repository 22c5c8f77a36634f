//! Where connections live: slots with generations, found by handle or by 4-tuple.
use crate::base::FourTuple;
use crate::base::limits::TCP_CONNECTIONS;
use crate::base::rng::Secret;
use crate::stack::ConnId;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::Keyed;
use std::collections::HashMap;

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    conn: Option<Box<Conn>>,
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_tuple: HashMap<FourTuple, ConnId, Keyed>,
}

impl Table {
    pub fn new(secret: &Secret) -> Table {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            by_tuple: HashMap::with_hasher(Keyed::new(secret)),
        }
    }

    pub fn is_full(&self) -> bool {
        self.slots.len() - self.free.len() >= TCP_CONNECTIONS
    }

    /// Puts a connection in; it is found by its 4-tuple from now on.
    pub fn insert(&mut self, mut conn: Conn) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        let id = ConnId { slot, generation: place.generation };
        conn.set_id(id);
        self.by_tuple.insert(conn.tuple(), id);
        place.conn = Some(Box::new(conn));
        id
    }

    /// The 4-tuple is free for another connection.
    pub fn forget_tuple(&mut self, id: ConnId) {
        let Some(tuple) = self.get(id).map(Conn::tuple) else { return };
        if self.by_tuple.get(&tuple) == Some(&id) {
            self.by_tuple.remove(&tuple);
        }
    }

    /// Frees the slot; the handle is stale from now on.
    pub fn remove(&mut self, id: ConnId) {
        if self.get(id).is_none() {
            return;
        }
        self.forget_tuple(id);
        let place = &mut self.slots[id.slot as usize];
        place.conn = None;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.slot);
    }

    pub fn find(&self, tuple: &FourTuple) -> Option<ConnId> {
        self.by_tuple.get(tuple).copied()
    }

    pub fn get(&self, id: ConnId) -> Option<&Conn> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.conn.as_deref().filter(|_| slot.generation == id.generation)
    }

    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        slot.conn.as_deref_mut().filter(|_| slot.generation == id.generation)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.slots.iter().filter_map(|slot| slot.conn.as_deref())
    }
}
