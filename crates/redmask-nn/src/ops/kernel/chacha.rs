//! The ChaCha20 stream (Bernstein, 2008), sixteen blocks at a time.

use super::super::simd::Simd;

/// Blocks made at once.
pub(in super::super) const BLOCKS: usize = 16;

/// Sixteen blocks, word by word.
pub(in super::super) type Words = [[u32; BLOCKS]; 16];

/// The stream of a key, with a 64-bit counter and the nonce zero.
pub(in super::super) struct ChaCha20 {
    simd: Simd,
    start: Words,
}

impl ChaCha20 {
    pub(in super::super) fn new(simd: Simd, key: &[u8; 32]) -> Self {
        let mut start = [[0; BLOCKS]; 16];
        let constants = b"expand 32-byte k".as_chunks::<4>().0;
        for (row, word) in start
            .iter_mut()
            .zip(constants.iter().chain(key.as_chunks::<4>().0))
        {
            *row = [u32::from_le_bytes(*word); BLOCKS];
        }
        Self { simd, start }
    }

    /// Writes the blocks `counter..counter + 16`.
    pub(in super::super) fn blocks(&mut self, counter: u64, words: &mut Words) {
        for lane in 0..BLOCKS {
            let block = counter + lane as u64;
            self.start[12][lane] = block as u32;
            self.start[13][lane] = (block >> 32) as u32;
        }
        match self.simd {
            // SAFETY: `Simd` values of a path exist only where the CPU has its instructions.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { avx512::rounds(&self.start, words) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { avx2::rounds(&self.start, words) },
            #[cfg(not(target_arch = "x86_64"))]
            Simd::Avx512 | Simd::Avx2 => portable(&self.start, words),
            Simd::Portable => portable(&self.start, words),
        }
    }
}

/// A double round over sixteen words, given addition, exclusive or and rotation. Written out, because indices that are not
/// literals would keep the words in memory.
macro_rules! double_round {
    ($s:ident, $add:expr, $xor:expr, $rotate:ident) => {
        double_round!(@quarter $s, $add, $xor, $rotate, 0, 4, 8, 12);
        double_round!(@quarter $s, $add, $xor, $rotate, 1, 5, 9, 13);
        double_round!(@quarter $s, $add, $xor, $rotate, 2, 6, 10, 14);
        double_round!(@quarter $s, $add, $xor, $rotate, 3, 7, 11, 15);
        double_round!(@quarter $s, $add, $xor, $rotate, 0, 5, 10, 15);
        double_round!(@quarter $s, $add, $xor, $rotate, 1, 6, 11, 12);
        double_round!(@quarter $s, $add, $xor, $rotate, 2, 7, 8, 13);
        double_round!(@quarter $s, $add, $xor, $rotate, 3, 4, 9, 14);
    };
    (@quarter $s:ident, $add:expr, $xor:expr, $rotate:ident, $a:literal, $b:literal, $c:literal, $d:literal) => {
        $s[$a] = $add($s[$a], $s[$b]);
        $s[$d] = $rotate::<16, 16>($xor($s[$d], $s[$a]));
        $s[$c] = $add($s[$c], $s[$d]);
        $s[$b] = $rotate::<12, 20>($xor($s[$b], $s[$c]));
        $s[$a] = $add($s[$a], $s[$b]);
        $s[$d] = $rotate::<8, 24>($xor($s[$d], $s[$a]));
        $s[$c] = $add($s[$c], $s[$d]);
        $s[$b] = $rotate::<7, 25>($xor($s[$b], $s[$c]));
    };
}

fn rotate<const LEFT: u32, const RIGHT: u32>(x: u32) -> u32 {
    x << LEFT | x >> RIGHT
}

fn portable(start: &Words, words: &mut Words) {
    for lane in 0..BLOCKS {
        let mut s = start.each_ref().map(|row| row[lane]);
        for _ in 0..10 {
            double_round!(s, u32::wrapping_add, std::ops::BitXor::bitxor, rotate);
        }
        for ((row, start), word) in words.iter_mut().zip(start).zip(s) {
            row[lane] = word.wrapping_add(start[lane]);
        }
    }
}

/// The rounds on vectors of some lanes.
#[cfg(target_arch = "x86_64")]
macro_rules! rounds {
    ($feature:literal, $lanes:literal, $load:ident, $store:ident, $add:ident, $xor:ident, $rotate:ident) => {
        #[target_feature(enable = $feature)]
        pub(super) fn rounds(start: &Words, words: &mut Words) {
            for lane in (0..BLOCKS).step_by($lanes) {
                // SAFETY: the lanes from `lane` on lie inside of the row; loads and stores are unaligned.
                let mut s = start
                    .each_ref()
                    .map(|row| unsafe { $load(row[lane..].as_ptr().cast()) });
                for _ in 0..10 {
                    double_round!(s, $add, $xor, $rotate);
                }
                for ((row, start), word) in words.iter_mut().zip(start).zip(s) {
                    // SAFETY: as above.
                    unsafe {
                        let word = $add(word, $load(start[lane..].as_ptr().cast()));
                        $store(row[lane..].as_mut_ptr().cast(), word);
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_storeu_si512,
        _mm512_xor_si512,
    };

    use super::{BLOCKS, Words};

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn rotate<const LEFT: i32, const RIGHT: i32>(x: __m512i) -> __m512i {
        _mm512_rol_epi32::<LEFT>(x)
    }

    rounds!(
        "avx512f",
        16,
        _mm512_loadu_si512,
        _mm512_storeu_si512,
        _mm512_add_epi32,
        _mm512_xor_si512,
        rotate
    );
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_or_si256, _mm256_slli_epi32,
        _mm256_srli_epi32, _mm256_storeu_si256, _mm256_xor_si256,
    };

    use super::{BLOCKS, Words};

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate<const LEFT: i32, const RIGHT: i32>(x: __m256i) -> __m256i {
        _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
    }

    rounds!(
        "avx2",
        8,
        _mm256_loadu_si256,
        _mm256_storeu_si256,
        _mm256_add_epi32,
        _mm256_xor_si256,
        rotate
    );
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn every_path_makes_the_stream() {
        let key = *b"an example of thirty-two bytes!!";
        for simd in Simd::available() {
            let mut reference = ChaCha20Rng::from_seed(key);
            let mut stream = ChaCha20::new(simd, &key);
            let mut words = [[0; BLOCKS]; 16];
            for round in 0..3 {
                stream.blocks(round * BLOCKS as u64, &mut words);
                for lane in 0..BLOCKS {
                    for (word, row) in words.iter().enumerate() {
                        let expected = reference.next_u32();
                        assert_eq!(row[lane], expected, "{simd:?} {round} {lane} {word}");
                    }
                }
            }
        }
    }
}
