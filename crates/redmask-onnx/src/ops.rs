//! The operators that a model may use.

/// Operators of the default domain that segmentation networks are made of, and that compute a function of their input
/// alone. Left out on purpose: what draws random numbers, what loops (`Scan`, `Loop`), what quantised or audio
/// models need, and what tract does not have (`Upsample`, `MaxUnpool`, `RoiAlign`, sequences).
pub const SUPPORTED: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "Cos",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GridSample",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Sin",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// Whether an operator of this name and domain is admitted.
pub fn is_supported(domain: &str, op: &str) -> bool {
    matches!(domain, "" | "ai.onnx") && SUPPORTED.binary_search(&op).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_the_runtime_has_all_of_it() {
        assert!(SUPPORTED.is_sorted());
        let known = tract_onnx::onnx().op_register.0;
        for op in SUPPORTED {
            assert!(known.contains_key(*op), "{op}");
        }
    }

    #[test]
    fn other_domains_and_random_operators_are_not_admitted() {
        assert!(is_supported("", "Conv") && is_supported("ai.onnx", "Conv"));
        for (domain, op) in [
            ("com.microsoft", "Conv"),
            ("", "RandomNormal"),
            ("", "Loop"),
            ("", "conv"),
        ] {
            assert!(!is_supported(domain, op), "{domain} {op}");
        }
    }
}
