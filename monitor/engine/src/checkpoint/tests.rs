use proptest::prelude::*;

use super::*;

fn key(secret: u8) -> HashKey {
    HashKey::new([secret; 16])
}

fn written(state: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    Draft::of(state, key(1)).unwrap().write(&mut bytes).unwrap();
    bytes
}

fn refused(bytes: &[u8]) -> RestoreError {
    read::<Vec<String>>(bytes, key(1)).unwrap_err()
}

/// More than a piece, of parts longer and shorter than one.
fn state() -> Vec<String> {
    let words = (0..5_000).map(|n| format!("word {n}"));
    words.chain(["long ".repeat(PIECE), String::new()]).collect()
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(read::<Vec<String>>(&written(&state()), key(1)), Ok(state()));
    assert_eq!(read::<()>(&written(&()), key(1)), Ok(()));
}

#[test]
fn it_names_the_event_up_to_which_it_knows() {
    let mut bytes = Vec::new();
    Draft::of(&state(), key(1)).unwrap().up_to(1_790_000_000_123_456).write(&mut bytes).unwrap();
    assert_eq!(read::<Vec<String>>(&bytes, key(1)), Ok(state()));
    assert_eq!(event(&bytes), 1_790_000_000_123_456);
    for length in 0..HEAD {
        assert_eq!(event(&bytes[..length]), 0);
    }
}

#[test]
fn each_way_to_be_wrong_has_its_error() {
    let bytes = written(&vec!["a", "b"]);
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(refused(&with(0, b'R')), RestoreError::Foreign);
    assert_eq!(refused(b"{\"v\":1}"), RestoreError::Foreign);
    assert_eq!(refused(&with(8, FORMAT as u8 + 1)), RestoreError::Newer(FORMAT + 1));
    assert_eq!(refused(&with(8, 0)), RestoreError::Older(0));
    assert_eq!(read::<Vec<String>>(&bytes, key(2)), Err(RestoreError::OtherKey));
    assert_eq!(refused(&with(HEAD + 2, b'c')), RestoreError::Damaged);
    assert_eq!(refused(&[&bytes[..], b" "].concat()), RestoreError::NotWhole(bytes.len() + 1));
    for length in 0..bytes.len() {
        assert_eq!(refused(&bytes[..length]), RestoreError::NotWhole(length));
    }
    assert_eq!(
        refused(&written(&(2_u8, 1_u8))),
        RestoreError::Inconsistent(Inconsistent("it does not have the form of its format"))
    );
    assert_eq!(
        refused(&written(&(0_u8, 1_u8))),
        RestoreError::Inconsistent(Inconsistent("something follows it"))
    );
}

#[test]
fn the_error_of_the_writer_is_handed_on() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let length = written(&state()).len();
    let draft = Draft::of(&state(), key(1)).unwrap();
    assert_eq!(draft.len(), length);
    draft.write(Full(length)).unwrap();
    for room in [0, PIECE, 3 * PIECE, length - 1] {
        let error = draft.write(Full(room)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
    }
}

proptest! {
    #[test]
    fn no_changed_byte_goes_unnoticed(at in any::<prop::sample::Index>(), by in 1_u8..) {
        let mut bytes = written(&vec!["GET /v1/customers/{id}"; 20]);
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert!(read::<Vec<String>>(&bytes, key(1)).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read::<Vec<String>>(&bytes, key(1)).is_err());
        prop_assert!(read::<Vec<String>>(&[&MAGIC[..], &bytes].concat(), key(1)).is_err());
    }
}
