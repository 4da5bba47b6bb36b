//! Weights that a model keeps in files beside it, read under a limit.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use tract_onnx::data_resolver::ModelDataResolver;
use tract_onnx::prelude::TractResult;
use tract_onnx::tract_core::internal::{TractErrorContext, ensure};

/// Reads ranges of files. tract's own resolver maps files into memory, and a mapped file that shrinks kills the process.
/// tract has checked by then that the path, symbolic links resolved, lies in the model's folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LimitedReads {
    pub(crate) most_bytes: u64,
}

impl ModelDataResolver for LimitedReads {
    fn read_bytes_from_path(
        &self,
        buf: &mut Vec<u8>,
        p: &Path,
        offset: usize,
        length: Option<usize>,
    ) -> TractResult<()> {
        let mut file = File::open(p).with_context(|| format!("opening {}", p.display()))?;
        let size = file.metadata()?.len();
        let offset = offset as u64;
        ensure!(
            offset <= size,
            "the weights begin beyond the end of {}",
            p.display()
        );
        let length = length.map_or(size - offset, |length| length as u64);
        ensure!(
            length <= size - offset && length <= self.most_bytes,
            "{length} bytes of weights from byte {offset} of {}, which has {size}",
            p.display()
        );
        file.seek(SeekFrom::Start(offset))?;
        buf.reserve_exact(length as usize);
        let read = file.take(length).read_to_end(buf)?;
        ensure!(read as u64 == length, "{} was cut short", p.display());
        Ok(())
    }
}
