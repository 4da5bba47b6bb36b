//! What a model file may take.

/// Limits on a model file and on what it makes tract allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnnxLimits {
    /// Largest `.onnx` file, bytes. Protobuf itself ends at 2 GiB.
    pub file_bytes: u64,
    /// Most bytes of weights in files beside the model, all together.
    pub external_bytes: u64,
    /// Most elements of any tensor: a weight, or what a layer computes for one image. The default, 2^28, is a gigabyte
    /// of single-precision numbers.
    pub tensor_elements: u64,
    /// Most operators, those of nested graphs included.
    pub nodes: u64,
}

impl Default for OnnxLimits {
    fn default() -> Self {
        Self {
            file_bytes: 2 << 30,
            external_bytes: 4 << 30,
            tensor_elements: 1 << 28,
            nodes: 100_000,
        }
    }
}
