//! Who may hold a connection: counts in total and by peer. Must not read from a socket.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Limits;

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Total,
    Peer,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    peers: HashMap<IpAddr, usize>,
}

/// The counts of one listener; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    counts: Arc<Mutex<Counts>>,
    total_max: usize,
    peer_max: usize,
    loopback_exempt: bool,
}

/// Evidence of being counted; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Admission,
    peer: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            counts: Arc::default(),
            total_max: limits.connections_max,
            peer_max: limits.connections_per_peer_max,
            loopback_exempt: limits.loopback_exempt,
        }
    }

    pub(crate) fn admit(&self, ip: IpAddr) -> Result<Permit, Refused> {
        let ip = ip.to_canonical();
        let peer = (!(self.loopback_exempt && ip.is_loopback())).then(|| network(ip));
        let mut counts = self.lock();
        if counts.total >= self.total_max {
            return Err(Refused::Total);
        }
        if let Some(peer) = peer {
            let held = counts.peers.entry(peer).or_default();
            if *held >= self.peer_max {
                return Err(Refused::Peer);
            }
            *held += 1;
        }
        counts.total += 1;
        drop(counts);
        Ok(Permit { admission: self.clone(), peer })
    }

    pub(crate) fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        counts.total = counts.total.saturating_sub(1);
        let Some(peer) = self.peer else { return };
        if let Some(held) = counts.peers.get_mut(&peer) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                counts.peers.remove(&peer);
            }
        }
    }
}

/// One subscriber: an IPv4 address, or the /64 that an IPv6 subscriber owns as a whole.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: usize, peer: usize, loopback_exempt: bool) -> Admission {
        Admission::new(&Limits {
            connections_max: total,
            connections_per_peer_max: peer,
            loopback_exempt,
            ..Limits::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_has_its_own_cap_and_gives_places_back() {
        let admission = admission(10, 1, false);
        let first = admission.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.1")).unwrap_err(), Refused::Peer);
        let _second = admission.admit(ip("192.0.2.2")).unwrap();
        drop(first);
        let _again = admission.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.total(), 2);
    }

    #[test]
    fn one_ipv6_network_and_a_mapped_address_are_one_peer() {
        let admission = admission(10, 1, false);
        let _a = admission.admit(ip("2001:db8::1")).unwrap();
        assert_eq!(admission.admit(ip("2001:db8::2")).unwrap_err(), Refused::Peer);
        let _b = admission.admit(ip("2001:db8:0:1::1")).unwrap();
        let _c = admission.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(ip("::ffff:192.0.2.1")).unwrap_err(), Refused::Peer);
    }

    #[test]
    fn loopback_may_be_exempt_from_the_peers_cap_but_not_from_the_total() {
        let admission = admission(2, 1, true);
        let _a = admission.admit(ip("127.0.0.1")).unwrap();
        let _b = admission.admit(ip("::1")).unwrap();
        assert_eq!(admission.admit(ip("127.0.0.1")).unwrap_err(), Refused::Total);
    }

    #[test]
    fn no_count_is_kept_for_peers_that_left() {
        let admission = admission(10, 1, false);
        drop(admission.admit(ip("192.0.2.1")).unwrap());
        assert!(admission.lock().peers.is_empty());
    }
}
