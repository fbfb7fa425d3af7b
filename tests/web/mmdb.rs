//! Writes a tiny database in MaxMind's format (MaxMind DB File Format Specification 2.0): a binary
//! tree over the bits of an address, then the records, then what the file says of itself.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A node's two branches: to a node, to a record, or nowhere.
type Node = [Branch; 2];

#[derive(Clone, Copy)]
enum Branch {
    Nowhere,
    Node(usize),
    /// Its place among the records.
    Record(usize),
}

const KIND_TEXT: u8 = 2;
const KIND_U16: u8 = 5;
const KIND_MAP: u8 = 7;

fn control(kind: u8, size: usize) -> u8 {
    assert!(size < 29, "no longer sizes here");
    (kind << 5) | size as u8
}

fn text(text: &str) -> Vec<u8> {
    [&[control(KIND_TEXT, text.len())], text.as_bytes()].concat()
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = pairs.iter().map(|(key, value)| [text(key), value.clone()].concat());
    std::iter::once(vec![control(KIND_MAP, pairs.len())]).chain(entries).flatten().collect()
}

fn u16_value(value: u16) -> Vec<u8> {
    [&[control(KIND_U16, 2)], &value.to_be_bytes()[..]].concat()
}

/// Kinds past 7 have a byte of their own.
fn extended(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[control(0, bytes.len()), kind - 7], bytes].concat()
}

fn u32_value(value: u32) -> Vec<u8> {
    [&[control(6, 4)], &value.to_be_bytes()[..]].concat()
}

fn record(city: &str, country: &str) -> Vec<u8> {
    let named = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
    let parts = [("city", city), ("country", country)];
    let known: Vec<(&str, Vec<u8>)> = parts
        .into_iter()
        .filter(|(_, name)| !name.is_empty())
        .map(|(key, name)| (key, named(name)))
        .collect();
    map(&known)
}

/// The bits of a network in the tree: IPv4 lies under 96 zeros.
fn bits(network: &str) -> Vec<usize> {
    let (address, length) = network.split_once('/').expect("a length");
    let length: usize = length.parse().expect("a number");
    let (address, length) = match address.parse().expect("an address") {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), length + 96),
        IpAddr::V6(ip) => (u128::from(ip), length),
    };
    (0..length).map(|bit| (address >> (127 - bit) & 1) as usize).collect()
}

/// The file, of the kind `kind`; each network has a city, a country, or both.
pub fn write(folder: &Path, kind: &str, networks: &[(&str, &str, &str)]) -> PathBuf {
    let (mut nodes, mut records): (Vec<Node>, Vec<u8>) = (vec![[Branch::Nowhere; 2]], Vec::new());
    for (network, city, country) in networks {
        let bits = bits(network);
        let (last, way) = bits.split_last().expect("a bit");
        let mut at = 0;
        for bit in way {
            if let Branch::Node(next) = nodes[at][*bit] {
                at = next;
            } else {
                nodes.push([Branch::Nowhere; 2]);
                nodes[at][*bit] = Branch::Node(nodes.len() - 1);
                at = nodes.len() - 1;
            }
        }
        nodes[at][*last] = Branch::Record(records.len());
        records.extend(record(city, country));
    }
    let number = |branch: &Branch| match branch {
        Branch::Nowhere => nodes.len(),
        Branch::Node(node) => *node,
        Branch::Record(place) => nodes.len() + 16 + place,
    };
    let tree = nodes.iter().flatten().flat_map(|branch| {
        let bytes = (number(branch) as u32).to_be_bytes();
        [bytes[1], bytes[2], bytes[3]]
    });
    let about = map(&[
        ("node_count", u32_value(nodes.len() as u32)),
        ("record_size", u16_value(24)),
        ("ip_version", u16_value(6)),
        ("database_type", text(kind)),
        ("languages", extended(11, &[])),
        ("binary_format_major_version", u16_value(2)),
        ("binary_format_minor_version", u16_value(0)),
        ("build_epoch", extended(9, &[1])),
        ("description", map(&[])),
    ]);
    let bytes: Vec<u8> = tree
        .chain([0; 16])
        .chain(records)
        .chain(*b"\xab\xcd\xefMaxMind.com")
        .chain(about)
        .collect();
    let file = folder.join(format!("{kind}.mmdb"));
    std::fs::write(&file, bytes).expect("written");
    file
}
