//! Which addresses a request may go to. Names are looked up first; what counts is the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To somewhere on the internet.
    Outside,
    /// To this machine or its networks: only where the operator allows it.
    Inside,
    /// To no place that a request has any business with: metadata services, multicast, tunnels into other
    /// families of addresses, documentation.
    Nowhere,
}

impl Leads {
    pub(crate) const fn is_allowed(self, allow_private: bool) -> bool {
        match self {
            Self::Outside => true,
            Self::Inside => allow_private,
            Self::Nowhere => false,
        }
    }
}

/// Classifies an address by the registries of special-purpose addresses (RFC 6890 and its updates).
pub(crate) const fn leads(address: IpAddr) -> Leads {
    match address {
        IpAddr::V4(address) => leads_v4(address),
        IpAddr::V6(address) => leads_v6(address),
    }
}

const fn leads_v4(address: Ipv4Addr) -> Leads {
    match address.octets() {
        // This machine, private networks (RFC 1918), shared space of carriers (RFC 6598).
        [127 | 10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Leads::Inside,
        // "This network", link-local with its metadata services, protocol assignments, documentation,
        // 6to4 relays, benchmarks, multicast, reserved and broadcast.
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Leads::Nowhere,
        _ => Leads::Outside,
    }
}

const fn leads_v6(address: Ipv6Addr) -> Leads {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Leads::Inside,
        // Unique local addresses (RFC 4193).
        [0xfc00..=0xfdff, ..] => Leads::Inside,
        // Protocol assignments with Teredo and ORCHID (2001::/23), documentation, 6to4.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => Leads::Nowhere,
        // Global unicast is 2000::/3. What is not of it: mapped and compatible IPv4, NAT64, SRv6, discard,
        // link-local, site-local, multicast.
        [0x2000..=0x3fff, ..] => Leads::Outside,
        _ => Leads::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::Leads::{Inside, Nowhere, Outside};
    use super::*;

    #[test]
    fn every_special_range_is_known() {
        let cases = [
            ("1.1.1.1", Outside),
            ("93.184.216.34", Outside),
            ("100.63.255.255", Outside),
            ("100.128.0.0", Outside),
            ("172.15.255.255", Outside),
            ("172.32.0.0", Outside),
            ("192.0.1.1", Outside),
            ("223.255.255.255", Outside),
            ("2606:4700:4700::1111", Outside),
            ("2001:4860:4860::8888", Outside),
            ("2001:200::1", Outside),
            ("127.0.0.1", Inside),
            ("127.255.255.254", Inside),
            ("10.0.0.1", Inside),
            ("172.16.0.1", Inside),
            ("172.31.255.255", Inside),
            ("192.168.1.1", Inside),
            ("100.64.0.1", Inside),
            ("::1", Inside),
            ("fc00::1", Inside),
            ("fd12:3456::1", Inside),
            ("0.0.0.0", Nowhere),
            ("0.1.2.3", Nowhere),
            ("169.254.169.254", Nowhere),
            ("192.0.0.1", Nowhere),
            ("192.0.2.1", Nowhere),
            ("192.88.99.1", Nowhere),
            ("198.18.0.1", Nowhere),
            ("198.51.100.1", Nowhere),
            ("203.0.113.1", Nowhere),
            ("224.0.0.1", Nowhere),
            ("240.0.0.1", Nowhere),
            ("255.255.255.255", Nowhere),
            ("::", Nowhere),
            ("::ffff:127.0.0.1", Nowhere),
            ("::ffff:8.8.8.8", Nowhere),
            ("::127.0.0.1", Nowhere),
            ("64:ff9b::7f00:1", Nowhere),
            ("64:ff9b:1::1", Nowhere),
            ("100::1", Nowhere),
            ("2001::1", Nowhere),
            ("2001:10::1", Nowhere),
            ("2001:db8::1", Nowhere),
            ("2002:7f00:1::", Nowhere),
            ("3fff::1", Nowhere),
            ("5f00::1", Nowhere),
            ("fe80::1", Nowhere),
            ("fec0::1", Nowhere),
            ("ff02::1", Nowhere),
            ("fd00:ec2::254", Inside),
        ];
        for (text, expected) in cases {
            assert_eq!(leads(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn only_inside_can_be_allowed() {
        assert!(Outside.is_allowed(false) && Inside.is_allowed(true));
        assert!(!Inside.is_allowed(false) && !Nowhere.is_allowed(true));
    }
}
