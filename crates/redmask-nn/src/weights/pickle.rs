//! What a pickle would import if it were executed.
//!
//! The reader of burn-store interprets pickles as data and runs nothing, but it passes over calls that it does not
//! know. An audit tool says so instead: the file is walked opcode by opcode first, and every imported name must belong
//! to the few that state dicts need (the list of `torch.load(weights_only=True)`, numpy's scalars).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use redmask_core::{Error, Result};

/// Modules all of whose names are data types or tensor rebuilders.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("collections", &["OrderedDict"]),
    (
        "torch._utils",
        &[
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
        ],
    ),
    ("torch._tensor", &["_rebuild_from_type_v2"]),
    ("torch.nn.parameter", &["Parameter", "Buffer"]),
    ("torch.storage", &["UntypedStorage", "TypedStorage"]),
    (
        "torch",
        &[
            "FloatStorage",
            "DoubleStorage",
            "HalfStorage",
            "BFloat16Storage",
            "LongStorage",
            "IntStorage",
            "ShortStorage",
            "CharStorage",
            "ByteStorage",
            "BoolStorage",
            "Size",
            "device",
            "Tensor",
            "float32",
            "float64",
            "float16",
            "bfloat16",
            "int64",
            "int32",
            "int16",
            "int8",
            "uint8",
            "bool",
        ],
    ),
    ("builtins", &["set", "frozenset"]),
    ("__builtin__", &["set", "frozenset"]),
    ("_codecs", &["encode"]),
];

/// Longer strings cannot be names.
const MAX_NAME: u64 = 4096;

/// Refuses a PyTorch file whose pickle imports anything else than what state dicts need.
///
/// # Errors
/// Names the import. Also if the file is no pickle.
pub(crate) fn check_names(path: &Path) -> Result<()> {
    let mut file = BufReader::new(File::open(path).map_err(|e| Error::io(path, "opening", e))?);
    let head = file.fill_buf().map_err(|e| Error::io(path, "reading", e))?;
    let broken =
        |problem: String| Error::input(path, format!("not a PyTorch weight file: {problem}"));
    let imports = if head.starts_with(b"PK") {
        let mut archive = zip::ZipArchive::new(file).map_err(|e| broken(e.to_string()))?;
        let name = archive
            .file_names()
            .filter_map(|name| Some(name.ok()?.into_owned()))
            .find(|name| name == "data.pkl" || name.ends_with("/data.pkl"))
            .ok_or_else(|| broken("the archive has no data.pkl".into()))?;
        let entry = archive.by_name(&name).map_err(|e| broken(e.to_string()))?;
        // As much as the reader accepts.
        let limited = entry.take(burn_store::pytorch_reader::MAX_PICKLE_SIZE + 1);
        Walker::new(BufReader::new(limited))
            .imports()
            .map_err(broken)?
    } else {
        // Magic number, protocol, system, object, storage keys: the tensors' bytes follow.
        let mut walker = Walker::new(file);
        let mut imports = walker.imports().map_err(broken)?;
        for _ in 0..4 {
            match walker.imports() {
                Ok(more) => imports.extend(more),
                // A plain pickle ends here.
                Err(_) if walker.at_end() => break,
                Err(problem) => return Err(broken(problem)),
            }
        }
        imports
    };
    for (module, name) in imports {
        let known = ALLOWED
            .iter()
            .any(|(m, names)| *m == module && names.contains(&name.as_str()))
            || module.starts_with("numpy");
        if !known {
            return Err(Error::input(
                path,
                format!("its pickle calls for `{module}.{name}`, which is no tensor; nothing was executed"),
            )
            .with_hint("save `model.state_dict()` alone, as safetensors or with torch.save"));
        }
    }
    Ok(())
}

/// Walks opcodes, remembering only strings.
struct Walker<R> {
    input: R,
    /// The last two values pushed, where they are strings.
    recent: [Option<String>; 2],
    memo: HashMap<u64, String>,
    memoised: u64,
}

impl<R: BufRead> Walker<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            recent: [None, None],
            memo: HashMap::new(),
            memoised: 0,
        }
    }

    fn at_end(&mut self) -> bool {
        self.input.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    /// The `(module, name)` of every import up to the next end of a pickle.
    fn imports(&mut self) -> std::result::Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        self.memo.clear();
        self.memoised = 0;
        loop {
            let opcode = self.bytes::<1>()?[0];
            match opcode {
                b'.' => return Ok(found),
                // GLOBAL, INST
                b'c' | b'i' => {
                    let import = (self.line()?, self.line()?);
                    found.push(import);
                    self.push(None);
                }
                // STACK_GLOBAL
                0x93 => {
                    let [module, name] = std::mem::take(&mut self.recent);
                    match (module, name) {
                        (Some(module), Some(name)) => found.push((module, name)),
                        _ => return Err("an import whose name is computed".into()),
                    }
                    self.push(None);
                }
                // EXT1, EXT2, EXT4
                0x82..=0x84 => return Err("an import through the extension registry".into()),
                // Strings.
                b'U' | 0x8c => self.string::<1>()?,
                b'T' | b'X' => self.string::<4>()?,
                0x8d => self.string::<8>()?,
                b'S' | b'V' => {
                    let text = self.line()?;
                    self.push(Some(text));
                }
                // Bytes and long integers.
                b'C' | 0x8a => self.blob::<1>()?,
                b'B' | 0x8b => self.blob::<4>()?,
                0x8e | 0x96 => self.blob::<8>()?,
                // Memo.
                b'q' => {
                    let slot = self.number::<1>()?;
                    self.memoise(slot);
                }
                b'r' => {
                    let slot = self.number::<4>()?;
                    self.memoise(slot);
                }
                b'p' => {
                    let slot = self.line_number()?;
                    self.memoise(slot);
                }
                0x94 => self.memoise(self.memoised),
                b'h' => {
                    let slot = self.number::<1>()?;
                    self.recall(slot);
                }
                b'j' => {
                    let slot = self.number::<4>()?;
                    self.recall(slot);
                }
                b'g' => {
                    let slot = self.line_number()?;
                    self.recall(slot);
                }
                // Numbers and other fixed arguments.
                b'K' => self.fixed::<1>()?,
                b'M' => self.fixed::<2>()?,
                b'J' => self.fixed::<4>()?,
                b'G' => self.fixed::<8>()?,
                0x80 => drop(self.bytes::<1>()?),
                0x95 => drop(self.bytes::<8>()?),
                b'F' | b'I' | b'L' | b'P' => {
                    self.line()?;
                    self.push(None);
                }
                // No argument.
                b'('
                | b'0'
                | b'1'
                | b'2'
                | b'N'
                | b'Q'
                | b'R'
                | b'a'
                | b'b'
                | b'd'
                | b'}'
                | b'e'
                | b'l'
                | b']'
                | b'o'
                | b's'
                | b't'
                | b')'
                | b'u'
                | 0x81
                | 0x85..=0x89
                | 0x8f..=0x92
                | 0x97
                | 0x98 => self.push(None),
                other => return Err(format!("unknown pickle opcode {other:#04x}")),
            }
        }
    }

    fn push(&mut self, value: Option<String>) {
        self.recent = [self.recent[1].take(), value];
    }

    fn memoise(&mut self, slot: u64) {
        self.memoised = self.memoised.max(slot.saturating_add(1));
        match &self.recent[1] {
            Some(text) => self.memo.insert(slot, text.clone()),
            None => self.memo.remove(&slot),
        };
    }

    fn recall(&mut self, slot: u64) {
        let value = self.memo.get(&slot).cloned();
        self.push(value);
    }

    fn bytes<const N: usize>(&mut self) -> std::result::Result<[u8; N], String> {
        let mut buffer = [0; N];
        self.input
            .read_exact(&mut buffer)
            .map_err(|e| match e.kind() {
                ErrorKind::UnexpectedEof => "the pickle is cut off".to_owned(),
                _ => e.to_string(),
            })?;
        Ok(buffer)
    }

    fn number<const N: usize>(&mut self) -> std::result::Result<u64, String> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.bytes::<N>()?);
        Ok(u64::from_le_bytes(wide))
    }

    fn fixed<const N: usize>(&mut self) -> std::result::Result<(), String> {
        self.bytes::<N>()?;
        self.push(None);
        Ok(())
    }

    fn string<const N: usize>(&mut self) -> std::result::Result<(), String> {
        let length = self.number::<N>()?;
        if length > MAX_NAME {
            self.skip(length)?;
            self.push(None);
            return Ok(());
        }
        let mut text = vec![0; length as usize];
        self.input
            .read_exact(&mut text)
            .map_err(|_| "the pickle is cut off".to_owned())?;
        self.push(String::from_utf8(text).ok());
        Ok(())
    }

    fn blob<const N: usize>(&mut self) -> std::result::Result<(), String> {
        let length = self.number::<N>()?;
        self.skip(length)?;
        self.push(None);
        Ok(())
    }

    fn skip(&mut self, length: u64) -> std::result::Result<(), String> {
        let skipped = std::io::copy(&mut (&mut self.input).take(length), &mut std::io::sink())
            .map_err(|e| e.to_string())?;
        if skipped == length {
            Ok(())
        } else {
            Err("the pickle is cut off".into())
        }
    }

    fn line(&mut self) -> std::result::Result<String, String> {
        let mut text = Vec::new();
        (&mut self.input)
            .take(MAX_NAME)
            .read_until(b'\n', &mut text)
            .map_err(|e| e.to_string())?;
        if text.pop() != Some(b'\n') {
            return Err("a line without an end".into());
        }
        String::from_utf8(text).map_err(|e| e.to_string())
    }

    fn line_number(&mut self) -> std::result::Result<u64, String> {
        self.line()?
            .parse()
            .map_err(|_| "a memo slot that is no number".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(pickle: &[u8]) -> std::result::Result<Vec<(String, String)>, String> {
        Walker::new(pickle).imports()
    }

    #[test]
    fn imports_are_found_in_every_spelling() {
        let expected = Ok(vec![("os".to_owned(), "system".to_owned())]);
        // Protocol 0, protocol 4, and protocol 4 with the names fetched from the memo.
        assert_eq!(imports(b"cos\nsystem\n(S'true'\ntR."), expected);
        assert_eq!(
            imports(b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x04true\x85R."),
            expected
        );
        assert_eq!(
            imports(b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94N0h\x00h\x01\x93."),
            expected
        );
    }

    #[test]
    fn computed_names_and_broken_files_are_errors() {
        assert!(imports(b"\x80\x04N\x8c\x06system\x93.").is_err());
        assert!(imports(b"\x80\x02\x82\x01.").is_err());
        assert!(imports(b"\x80\x02X\xff\xff\xff\x7fabc").is_err());
        assert!(imports(b"").is_err());
    }
}
