//! However a stream is cut, doubled and shuffled, the exchanges are the same.

use proptest::{collection::vec, prelude::*};

use super::*;
