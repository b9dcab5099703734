//! Writes small MMDB files, by the specification of the format: tests need databases that nobody publishes.

use ipnet::IpNet;

/// A value of a record.
pub(super) enum Value {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    Flag(bool),
    Map(Vec<(&'static str, Self)>),
    List(Vec<Self>),
}

#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(u32),
    Data(u32),
}

/// An IPv6 database with these networks; IPv4 lies at `::/96`, as in MaxMind's.
pub(super) fn database(kind: &'static str, records: Vec<(&str, Value)>) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Branch::Nothing; 2]], Vec::new());
    for (network, value) in records {
        let (bits, len) = match network.parse().unwrap() {
            IpNet::V4(net) => (u128::from(u32::from(net.addr())), 96 + net.prefix_len()),
            IpNet::V6(net) => (u128::from(net.addr()), net.prefix_len()),
        };
        let at = data.len() as u32;
        encode(&value, &mut data);
        insert(&mut nodes, bits, len, at);
    }
    let count = nodes.len() as u32;
    let mut bytes = Vec::new();
    for branch in nodes.into_iter().flatten() {
        let record = match branch {
            Branch::Nothing => count,
            Branch::Node(node) => node,
            Branch::Data(at) => count + 16 + at,
        };
        bytes.extend_from_slice(&record.to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = vec![
        ("node_count", Value::Number(count)),
        ("record_size", Value::Short(24)),
        ("ip_version", Value::Short(6)),
        ("database_type", Value::Text(kind)),
        ("languages", Value::List(Vec::new())),
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_767_225_600)),
        ("description", Value::Map(Vec::new())),
    ];
    encode(&Value::Map(metadata), &mut bytes);
    bytes
}

fn insert(nodes: &mut Vec<[Branch; 2]>, bits: u128, len: u8, data: u32) {
    let mut node = 0;
    for depth in 0..len {
        let side = (bits >> (127 - depth) & 1) as usize;
        if depth + 1 == len {
            nodes[node][side] = Branch::Data(data);
            return;
        }
        node = match nodes[node][side] {
            Branch::Node(next) => next as usize,
            Branch::Nothing => {
                nodes.push([Branch::Nothing; 2]);
                nodes[node][side] = Branch::Node(nodes.len() as u32 - 1);
                nodes.len() - 1
            }
            Branch::Data(_) => panic!("networks of a test do not nest"),
        };
    }
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            assert!(text.len() < 29, "longer text has another encoding");
            out.push(2 << 5 | text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Short(number) => {
            out.push(5 << 5 | 2);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Long(number) => {
            out.extend_from_slice(&[8, 9 - 7]);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Number(number) => {
            out.push(6 << 5 | 4);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Flag(flag) => out.extend_from_slice(&[u8::from(*flag), 14 - 7]),
        Value::Map(entries) => {
            out.push(7 << 5 | entries.len() as u8);
            for (key, value) in entries {
                encode(&Value::Text(key), out);
                encode(value, out);
            }
        }
        Value::List(items) => {
            out.extend_from_slice(&[items.len() as u8, 11 - 7]);
            items.iter().for_each(|item| encode(item, out));
        }
    }
}
