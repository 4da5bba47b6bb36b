//! The recipes that ship inside the binary.

/// A recipe that ships with Redmask.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// `quickstart`, or `PAPER/TABLE`.
    pub name: &'static str,
    /// The TOML text.
    pub text: &'static str,
}

macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(Builtin {
            name: $name,
            text: include_str!(concat!("../../../../recipes/", $name, ".toml")),
        }),*]
    };
}

static BUILTINS: &[Builtin] = recipes![
    "quickstart",
    "chobola/table-1",
    "chobola/table-2",
    "chobola/table-3",
    "chobola/table-4",
    "chobola/table-5",
    "chobola/table-6",
    "chobola/table-6-undefended",
    "chobola/table-7",
    "chobola/table-7-undefended",
    "chobola/figure-2",
    "chobola/figure-3",
    "chobola/figure-4",
    "chobola/table-8",
    "chobola/table-9",
    "chobola/table-10",
    "chobola/figure-5",
    "chobola/figure-6",
    "chobola/table-11",
    "chobola/epochs",
    "jambrovic/hba",
    "jambrovic/iba",
    "badseg/vectors",
    "badseg/optimised",
    "redmask/kvasir-pool",
    "redmask/curve-train-records",
    "redmask/curve-width",
    "redmask/backdoor-rate",
    "redmask/backdoor-capacity",
    "truth-serum/replicas",
    "truth-serum/street",
];

/// Every recipe that ships with Redmask, in the order of the documentation.
pub fn builtins() -> &'static [Builtin] {
    BUILTINS
}
