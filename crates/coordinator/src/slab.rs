//! Where requests in flight live: a slab whose slots are reused, and the handles that name them.
//!
//! Invariants:
//! - a handle names one stay in a slot: after [`Slab::remove`] it finds nothing, even once the slot is used again
//!   (the guard counts stays; it repeats after 2^32 of them);
//! - in the steady state nothing is allocated: freed slots are used again, the last one freed first.

/// Which machine a handle belongs to; four bits of the handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write = 1,
    Read = 2,
    Explain = 3,
    Page = 4,
    Query = 5,
}

/// `guard << 32 | kind << 28 | index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u64);

const INDEX_BITS: u32 = 28;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

impl Slot {
    fn new(guard: u32, kind: Kind, index: usize) -> Slot {
        Slot((u64::from(guard) << 32) | ((kind as u64) << INDEX_BITS) | index as u64)
    }

    /// The machine that issued it; `None` for a number that none did.
    pub(crate) fn kind(self) -> Option<Kind> {
        match (self.0 >> INDEX_BITS) & 0xF {
            1 => Some(Kind::Write),
            2 => Some(Kind::Read),
            3 => Some(Kind::Explain),
            4 => Some(Kind::Page),
            5 => Some(Kind::Query),
            _ => None,
        }
    }

    fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    fn guard(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[derive(Debug)]
struct Stay<T> {
    guard: u32,
    value: Option<T>,
}

/// Values of one [`Kind`], by [`Slot`].
#[derive(Debug)]
pub(crate) struct Slab<T> {
    kind: Kind,
    stays: Vec<Stay<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new(kind: Kind) -> Slab<T> {
        Slab { kind, stays: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.stays.len() - self.free.len()
    }

    /// The slot that the next [`Slab::insert`] fills.
    pub(crate) fn insert(&mut self, value: T) -> Slot {
        if let Some(index) = self.free.pop() {
            let stay = &mut self.stays[index as usize];
            stay.value = Some(value);
            return Slot::new(stay.guard, self.kind, index as usize);
        }
        let index = self.stays.len();
        assert!(index as u64 <= INDEX_MASK, "{index} requests in flight: the limits did not hold");
        self.stays.push(Stay { guard: 0, value: Some(value) });
        Slot::new(0, self.kind, index)
    }

    pub(crate) fn at(&mut self, slot: Slot) -> Option<&mut T> {
        let mine = slot.kind() == Some(self.kind);
        let stay = self.stays.get_mut(slot.index()).filter(|stay| mine && stay.guard == slot.guard())?;
        stay.value.as_mut()
    }

    /// [`Slab::at`], to look only.
    pub(crate) fn look(&self, slot: Slot) -> Option<&T> {
        let mine = slot.kind() == Some(self.kind);
        let stay = self.stays.get(slot.index()).filter(|stay| mine && stay.guard == slot.guard())?;
        stay.value.as_ref()
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.vacate(slot)?.take()
    }

    /// [`Slab::remove`] for those who don't need the value: it ends where it lies, and is not moved.
    pub(crate) fn end(&mut self, slot: Slot) {
        if let Some(value) = self.vacate(slot) {
            *value = None;
        }
    }

    /// Frees the slot; the value is still to be taken out.
    fn vacate(&mut self, slot: Slot) -> Option<&mut Option<T>> {
        self.at(slot)?;
        self.free.push(slot.index() as u32);
        let stay = &mut self.stays[slot.index()];
        stay.guard = stay.guard.wrapping_add(1);
        Some(&mut stay.value)
    }

    /// The slots in use for which `wanted` holds, in index order.
    pub(crate) fn slots_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<Slot> {
        let used = self.stays.iter().enumerate().filter(|(_, s)| s.value.as_ref().is_some_and(&wanted));
        used.map(|(index, stay)| Slot::new(stay.guard, self.kind, index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_slot_finds_nothing_once_its_place_is_used_again() {
        let mut slab = Slab::new(Kind::Write);
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");
        assert_eq!(first.index(), second.index());
        assert_eq!(slab.at(first), None);
        assert_eq!((slab.look(first), slab.look(second)), (None, Some(&"b")));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.at(second), Some(&mut "b"));
    }

    #[test]
    fn a_slot_of_another_machine_finds_nothing() {
        let mut writes = Slab::new(Kind::Write);
        let mut reads = Slab::new(Kind::Read);
        let (write, read) = (writes.insert(1), reads.insert(2));
        assert_eq!((writes.at(read), reads.at(write)), (None, None));
        assert_eq!(Slot(u64::MAX).kind(), None);
    }

    #[test]
    fn freed_places_are_used_before_new_ones() {
        let mut slab = Slab::new(Kind::Page);
        let slots: Vec<_> = (0..4).map(|i| slab.insert(i)).collect();
        slab.remove(slots[1]);
        slab.remove(slots[3]);
        assert_eq!((slab.insert(7).index(), slab.insert(8).index(), slab.len()), (3, 1, 4));
        assert_eq!(slab.slots_where(|&v| v > 6).len(), 2);
    }
}
