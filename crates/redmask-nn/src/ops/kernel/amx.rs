//! The AMX micro-kernel: products of bfloat16 numbers, summed in f32, in blocks of up to 32 by 32.
//!
//! AMX is a matrix unit with eight registers ("tiles") of 16 rows of 64 bytes. One instruction multiplies 16 rows of 32
//! numbers with 32 rows of 16 numbers. The compiler has no stable intrinsics for it, so this is inline assembly; its
//! registers are touched nowhere else in the process.

use std::{arch::asm, marker::PhantomData, mem::offset_of};

/// Rows of a tile, and columns of a tile of f32.
pub(in super::super) const ROWS: usize = 16;

/// Bytes of a row of a tile.
pub(in super::super) const ROW_BYTES: usize = 64;

/// Whether the CPU has AMX for bfloat16 and the operating system lets this process use it. Asked once per process.
pub(in super::super) fn available() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::arch::x86_64::__cpuid_count;
        use std::sync::OnceLock;

        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| {
            // Intel SDM, CPUID leaf 7: EDX bit 22 AMX-BF16, bit 24 AMX-TILE.
            const AMX: u32 = 1 << 22 | 1 << 24;
            // Linux uapi, asm/prctl.h; component 18 is the tile data, 8 KiB that every thread would have to save.
            const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
            const XFEATURE_XTILEDATA: libc::c_long = 18;
            // The packing routines beside the tiles use these.
            let vectors = is_x86_feature_detected!("avx512bf16")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            vectors
                && __cpuid_count(7, 0).edx & AMX == AMX
                // SAFETY: the call takes two numbers and touches no memory of ours.
                && unsafe {
                    libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
                } == 0
        })
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// The palette entry that LDTILECFG reads: 64 bytes, laid out by the Intel SDM.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// The tile registers of this thread, set up for products of a given depth until dropped.
///
/// Tiles 0-3 are results (16 x 16 f32), 4 and 5 are left factors (16 rows of 2 `pairs` numbers), 6 and 7 right factors
/// (`pairs` rows of 16 pairs of numbers).
pub(in super::super) struct Tiles {
    /// The set-up belongs to the thread.
    on_this_thread: PhantomData<*mut ()>,
}

impl Tiles {
    /// Sets up tiles whose products sum `2 pairs` numbers.
    ///
    /// # Panics
    ///
    /// If AMX is not [`available`], or `pairs` is not in `1..=16`.
    pub(in super::super) fn new(pairs: usize) -> Self {
        assert!(available(), "AMX is not available");
        assert!(
            (1..=ROWS).contains(&pairs),
            "{pairs} pairs do not fit a tile"
        );
        let mut config = Config {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        for tile in 0..8 {
            config.rows[tile] = if tile < 6 { ROWS as u8 } else { pairs as u8 };
            config.row_bytes[tile] = if matches!(tile, 4 | 5) {
                4 * pairs as u16
            } else {
                ROW_BYTES as u16
            };
        }
        // SAFETY: AMX is there and permitted; the configuration is valid for palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly)) };
        Self {
            on_this_thread: PhantomData,
        }
    }

    /// Computes a block of `down` by `right` tiles.
    ///
    /// # Safety
    ///
    /// For the extents named in [`Block`], `a`, `offsets` and `b` are readable and `c` is writable, and nobody else touches
    /// that part of `c`.
    ///
    /// # Panics
    ///
    /// If `down` or `right` is not 1 or 2.
    #[expect(
        clippy::unused_self,
        reason = "holding `Tiles` is what makes the instructions legal"
    )]
    pub(in super::super) unsafe fn multiply(&self, down: usize, right: usize, block: &Block) {
        // SAFETY: the caller vouches for the extents.
        unsafe {
            match (down, right) {
                (2, 2) => two_by_two(block),
                (2, 1) => two_by_one(block),
                (1, 2) => one_by_two(block),
                (1, 1) => one_by_one(block),
                _ => panic!("a block of {down} by {right} tiles"),
            }
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: AMX is there, or `new` had not returned. Empty tiles need not be saved when threads switch.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// One block of results: `c (+)= sum over steps of a_step * b_step`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in super::super) struct Block {
    /// Products of tiles to sum; at least one.
    pub(in super::super) steps: usize,
    /// What `offsets` count from.
    pub(in super::super) a: *const u16,
    /// Bytes from `a` to each step's left factor: 16 rows of 2 `pairs` bfloat16 numbers, those of the lower tile just behind.
    pub(in super::super) offsets: *const u32,
    /// Bytes between two rows of a left factor.
    pub(in super::super) a_pitch: usize,
    /// The right factors, one step's behind the other's: `pairs` rows of 32 pairs, 16 for each tile.
    pub(in super::super) b: *const u32,
    /// Bytes from a right factor to the next step's.
    pub(in super::super) b_step: usize,
    /// The results, rows of f32; the right tile's just behind the left tile's.
    pub(in super::super) c: *mut f32,
    /// Bytes between two rows of `c`.
    pub(in super::super) c_pitch: usize,
    /// Whether to add to `c` instead of overwriting it.
    pub(in super::super) accumulate: bool,
}

/// Bytes of a row of right factors: two tiles.
const B_PITCH: usize = 2 * ROW_BYTES;

/// Writes a kernel: how results are loaded and cleared, what one step does, how results are stored.
macro_rules! kernel {
    ($name:ident, load: [$($load:literal),*], clear: [$($clear:literal),*], step: [$($step:literal),*],
     store: [$($store:literal),*]) => {
        /// # Safety
        ///
        /// As [`Tiles::multiply`]; the tiles are set up.
        unsafe fn $name(block: &Block) {
            // SAFETY: the caller vouches for the extents; the registers written are named. `u` is the second row of
            // tiles of `c`, `t` a temporary, `down` the distance of the lower left factor.
            unsafe {
                asm!(
                    "mov {u}, {cp}",
                    "shl {u}, 4",
                    "add {u}, {c}",
                    "mov {down}, {ap}",
                    "shl {down}, 4",
                    "cmp byte ptr [{block} + {accumulate}], 0",
                    "je 3f",
                    $($load,)*
                    "jmp 2f",
                    "3:",
                    $($clear,)*
                    "2:",
                    "mov {t:e}, dword ptr [{offsets}]",
                    "add {t}, qword ptr [{block} + {a}]",
                    $($step,)*
                    "add {offsets}, 4",
                    "add {b}, qword ptr [{block} + {b_step}]",
                    "dec {n}",
                    "jnz 2b",
                    $($store,)*
                    block = in(reg) block,
                    accumulate = const offset_of!(Block, accumulate),
                    a = const offset_of!(Block, a),
                    b_step = const offset_of!(Block, b_step),
                    ap = in(reg) block.a_pitch,
                    b = inout(reg) block.b => _,
                    bp = in(reg) B_PITCH,
                    c = in(reg) block.c,
                    cp = in(reg) block.c_pitch,
                    offsets = inout(reg) block.offsets => _,
                    n = inout(reg) block.steps => _,
                    t = out(reg) _,
                    u = out(reg) _,
                    down = out(reg) _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

kernel!(two_by_two,
    load: [
        "tileloadd tmm0, [{c} + {cp}*1]", "tileloadd tmm1, [{c} + {cp}*1 + 64]",
        "tileloadd tmm2, [{u} + {cp}*1]", "tileloadd tmm3, [{u} + {cp}*1 + 64]"
    ],
    clear: ["tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3"],
    step: [
        "tileloadd tmm6, [{b} + {bp}*1]",
        "tileloadd tmm4, [{t} + {ap}*1]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{b} + {bp}*1 + 64]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "add {t}, {down}",
        "tileloadd tmm5, [{t} + {ap}*1]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7"
    ],
    store: [
        "tilestored [{c} + {cp}*1], tmm0", "tilestored [{c} + {cp}*1 + 64], tmm1",
        "tilestored [{u} + {cp}*1], tmm2", "tilestored [{u} + {cp}*1 + 64], tmm3"
    ]
);

kernel!(two_by_one,
    load: ["tileloadd tmm0, [{c} + {cp}*1]", "tileloadd tmm2, [{u} + {cp}*1]"],
    clear: ["tilezero tmm0", "tilezero tmm2"],
    step: [
        "tileloadd tmm6, [{b} + {bp}*1]",
        "tileloadd tmm4, [{t} + {ap}*1]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "add {t}, {down}",
        "tileloadd tmm5, [{t} + {ap}*1]",
        "tdpbf16ps tmm2, tmm5, tmm6"
    ],
    store: ["tilestored [{c} + {cp}*1], tmm0", "tilestored [{u} + {cp}*1], tmm2"]
);

kernel!(one_by_two,
    load: ["tileloadd tmm0, [{c} + {cp}*1]", "tileloadd tmm1, [{c} + {cp}*1 + 64]"],
    clear: ["tilezero tmm0", "tilezero tmm1"],
    step: [
        "tileloadd tmm6, [{b} + {bp}*1]",
        "tileloadd tmm4, [{t} + {ap}*1]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{b} + {bp}*1 + 64]",
        "tdpbf16ps tmm1, tmm4, tmm7"
    ],
    store: ["tilestored [{c} + {cp}*1], tmm0", "tilestored [{c} + {cp}*1 + 64], tmm1"]
);

kernel!(one_by_one,
    load: ["tileloadd tmm0, [{c} + {cp}*1]"],
    clear: ["tilezero tmm0"],
    step: [
        "tileloadd tmm6, [{b} + {bp}*1]",
        "tileloadd tmm4, [{t} + {ap}*1]",
        "tdpbf16ps tmm0, tmm4, tmm6"
    ],
    store: ["tilestored [{c} + {cp}*1], tmm0"]
);
