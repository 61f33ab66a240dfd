use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Mixed {
    at: Timestamp,
    number: u16,
    flag: bool,
    words: [u64; 2],
}
cell!(Mixed { at: Timestamp, number: u16, flag: bool, words: [u64; 2] });

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tables(#[serde(with = "super")] Vec<Mixed>, #[serde(with = "super")] Vec<u32>, u8);

fn written(tables: &Tables) -> Vec<u8> {
    postcard::to_allocvec(tables).unwrap()
}

fn cells() -> impl Strategy<Value = Vec<Mixed>> {
    let cell = (any::<u64>(), any::<u16>(), any::<bool>(), any::<[u64; 2]>());
    let cell = cell.prop_map(|(at, number, flag, words)| Mixed { at: Timestamp(at), number, flag, words });
    prop::collection::vec(prop_oneof![3 => Just(Mixed::ZERO), 1 => cell], 0..3_000)
}

#[test]
fn what_is_empty_takes_next_to_nothing() {
    let mut tables = Tables(vec![Mixed::ZERO; 80_000], Vec::new(), 7);
    assert!(written(&tables).len() < 400);
    tables.0[77] = Mixed { flag: true, ..Mixed::ZERO };
    tables.0[79_999] = Mixed { number: 0x0102, ..Mixed::ZERO };
    assert!(written(&tables).len() < 800);
    assert_eq!(postcard::from_bytes::<Tables>(&written(&tables)).unwrap(), tables);
}

#[test]
fn a_table_without_what_it_says_it_has_is_refused() {
    let bytes = written(&Tables(Vec::new(), vec![1, 0, 3], 7));
    // No pieces of the first table; one of the other: how many cells, marks, and eight bytes.
    assert_eq!(bytes, [0, 1, 3, 1, 0b101, 8, 1, 0, 0, 0, 3, 0, 0, 0, 7]);
    let too_many = (PIECE as u16).to_le_bytes()[0];
    for (at, value) in [(2, 2), (2, 9), (2, too_many), (4, 0b100), (4, 0b1101), (4, 0b111), (5, 7)] {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        assert!(postcard::from_bytes::<Tables>(&bytes).is_err(), "{value} at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(cells in cells(), numbers in prop::collection::vec(0_u32..3, 0..40)) {
        let tables = Tables(cells, numbers, 7);
        prop_assert_eq!(postcard::from_bytes::<Tables>(&written(&tables)).unwrap(), tables);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        drop(postcard::from_bytes::<Tables>(&bytes));
    }
}
