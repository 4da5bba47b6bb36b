//! One root seed, split by name.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};

/// A node of the seed tree. Children depend on the path of names from the root and on nothing else, so neither thread
/// timing nor the order of calls can change a draw.
///
/// ```
/// use redmask_core::Seed;
/// let shadow = Seed::root(0).child("shadow").index(3);
/// assert_eq!(shadow, Seed::root(0).child("shadow").index(3));
/// assert_ne!(shadow, Seed::root(0).child("victim").index(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root for a number given on the command line.
    pub fn root(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("redmask 2026 seed tree root");
        hasher.update(&seed.to_le_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The child with this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"name:");
        hasher.update(name.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The child with this number.
    #[must_use]
    pub fn index(&self, i: u64) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"index:");
        hasher.update(&i.to_le_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// A generator that starts at this node.
    pub fn rng(&self) -> ChaCha12Rng {
        ChaCha12Rng::from_seed(self.0)
    }

    /// The node's bytes, for fingerprints.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
