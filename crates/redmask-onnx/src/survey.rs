//! What a model file holds, listed from its protobuf before anything is built from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use redmask_core::{Error, Fingerprint, Result};
use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::Framework;

use crate::limits::OnnxLimits;
use crate::ops::is_supported;

/// An input or output as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its extents, `None` where the file leaves one open; empty if nothing is declared.
    pub shape: Vec<Option<usize>>,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let extents: Vec<String> = self
            .shape
            .iter()
            .map(|d| d.map_or_else(|| "?".to_owned(), |n| n.to_string()))
            .collect();
        write!(f, "{} [{}]", self.name, extents.join(", "))
    }
}

/// A model file, decoded and checked, not yet built.
#[derive(Debug, Clone)]
pub struct ModelSurvey {
    path: PathBuf,
    limits: OnnxLimits,
    proto: ModelProto,
    hash: Fingerprint,
    ops: BTreeMap<String, usize>,
    unsupported: BTreeSet<String>,
    external: BTreeSet<PathBuf>,
    parameters: u64,
}

impl ModelSurvey {
    /// Reads a file under limits. Operators are listed, not judged; [`ModelSurvey::admit`] does that.
    ///
    /// # Errors
    /// If the file cannot be read or is no ONNX model, exceeds a limit, declares a tensor that does, or keeps weights
    /// outside its folder.
    pub fn read(path: &Path, limits: OnnxLimits) -> Result<Self> {
        let bytes = read_limited(path, "model file size in bytes", limits.file_bytes)?;
        let hash = Fingerprint::of(&bytes);
        let proto = tract_onnx::onnx()
            .proto_model_for_read(&mut bytes.as_slice())
            .map_err(|_| not_onnx(path))?;
        let mut survey = Self {
            path: path.to_owned(),
            limits,
            proto: ModelProto::default(),
            hash,
            ops: BTreeMap::new(),
            unsupported: BTreeSet::new(),
            external: BTreeSet::new(),
            parameters: 0,
        };
        let Some(graph) = proto.graph.as_ref() else {
            return Err(not_onnx(path));
        };
        let mut nodes = 0;
        survey.visit(graph, &mut nodes)?;
        if nodes == 0 {
            return Err(Error::input(path, "the model computes nothing"));
        }
        survey.check_external()?;
        survey.proto = proto;
        Ok(survey)
    }

    /// Refuses operators that are not admitted, by name.
    ///
    /// # Errors
    /// If there is one.
    pub fn admit(&self) -> Result<()> {
        if self.unsupported.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.unsupported.iter().map(String::as_str).collect();
        Err(Error::input(
            &self.path,
            format!("the model uses unsupported operators: {}", names.join(", ")),
        )
        .with_hint(
            "export it again at opset 11 to 18 without custom operators, or audit its saved predictions: --model predictions:DIR",
        ))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hash of the `.onnx` file's bytes. Weights beside the file are not part of it; see
    /// [`ModelSurvey::fingerprint`].
    pub fn hash(&self) -> Fingerprint {
        self.hash
    }

    /// A hash of the file and of every file that it keeps weights in.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let mut builder = redmask_core::FingerprintBuilder::new();
        builder.part("onnx", self.hash.to_hex().as_bytes());
        for name in &self.external {
            let path = self.folder().join(name);
            let mut hasher = blake3::Hasher::new();
            let mut file = File::open(&path).map_err(|e| Error::io(&path, "opening", e))?;
            std::io::copy(&mut file, &mut hasher).map_err(|e| Error::io(&path, "reading", e))?;
            builder.part("external", hasher.finalize().as_bytes());
        }
        Ok(builder.finish())
    }

    /// How often each operator occurs, nested graphs included.
    pub fn ops(&self) -> &BTreeMap<String, usize> {
        &self.ops
    }

    /// Operators that are not admitted.
    pub fn unsupported(&self) -> impl Iterator<Item = &str> {
        self.unsupported.iter().map(String::as_str)
    }

    /// Files beside the model that hold weights, by name.
    pub fn external_files(&self) -> impl Iterator<Item = &Path> {
        self.external.iter().map(PathBuf::as_path)
    }

    /// Number of weights.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Version of the default operator set, 0 if the file does not say.
    pub fn opset(&self) -> i64 {
        let mut sets = self.proto.opset_import.iter();
        sets.find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"))
            .map_or(0, |set| set.version)
    }

    /// What wrote the file, as it says.
    pub fn producer(&self) -> String {
        format!(
            "{} {}",
            self.proto.producer_name, self.proto.producer_version
        )
        .trim()
        .to_owned()
    }

    /// Graph inputs that are no weights.
    pub fn inputs(&self) -> Vec<Port> {
        let graph = self.graph();
        let weights: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let inputs = graph.input.iter();
        inputs
            .filter(|input| !weights.contains(input.name.as_str()))
            .map(port)
            .collect()
    }

    /// Graph outputs.
    pub fn outputs(&self) -> Vec<Port> {
        self.graph().output.iter().map(port).collect()
    }

    pub(crate) fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("checked when read")
    }

    pub(crate) fn proto(&self) -> &ModelProto {
        &self.proto
    }

    pub(crate) fn limits(&self) -> OnnxLimits {
        self.limits
    }

    pub(crate) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn visit(&mut self, graph: &GraphProto, nodes: &mut u64) -> Result<()> {
        *nodes += graph.node.len() as u64;
        if *nodes > self.limits.nodes {
            return Err(self.over("number of operators", *nodes, self.limits.nodes));
        }
        if !graph.sparse_initializer.is_empty() {
            return Err(Error::input(&self.path, "the model has sparse weights"));
        }
        let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
        for tensor in &graph.initializer {
            self.parameters = self.parameters.saturating_add(self.check_tensor(tensor)?);
            if let Some(product) = product_of(tensor) {
                sizes.insert(&tensor.name, product);
            }
        }
        for node in &graph.node {
            let name = match node.domain.as_str() {
                "" | "ai.onnx" => node.op_type.clone(),
                domain => format!("{domain}.{}", node.op_type),
            };
            if !is_supported(&node.domain, &node.op_type) {
                self.unsupported.insert(name.clone());
            }
            *self.ops.entry(name).or_default() += 1;
            for attribute in &node.attribute {
                for tensor in attribute.t.iter().chain(&attribute.tensors) {
                    self.check_tensor(tensor)?;
                    if let (Some(product), Some(output)) = (product_of(tensor), node.output.first())
                    {
                        sizes.insert(output, product);
                    }
                }
                for nested in attribute.g.iter().chain(&attribute.graphs) {
                    self.visit(nested, nodes)?;
                }
            }
        }
        self.check_extents(&graph.node, &sizes)
    }

    /// Operators that allocate what a constant tells them to: the constant is checked, because shape analysis would
    /// allocate it.
    fn check_extents(&self, nodes: &[NodeProto], sizes: &BTreeMap<&str, u64>) -> Result<()> {
        const ALLOCATE: [&str; 7] = [
            "ConstantOfShape",
            "Expand",
            "Pad",
            "Range",
            "Reshape",
            "Resize",
            "Tile",
        ];
        for node in nodes
            .iter()
            .filter(|n| ALLOCATE.contains(&n.op_type.as_str()))
        {
            for input in &node.input {
                let product = sizes.get(input.as_str()).copied().unwrap_or(0);
                if product > self.limits.tensor_elements {
                    return Err(self.over(
                        "number of elements that a constant asks for",
                        product,
                        self.limits.tensor_elements,
                    ));
                }
            }
        }
        Ok(())
    }

    /// Number of elements of a weight, once it is known to be sound.
    fn check_tensor(&mut self, tensor: &TensorProto) -> Result<u64> {
        let mut elements = 1u64;
        for &extent in &tensor.dims {
            let extent = u64::try_from(extent).map_err(|_| {
                Error::input(
                    &self.path,
                    format!("the weight `{}` has a negative extent", tensor.name),
                )
            })?;
            elements = elements.saturating_mul(extent);
        }
        if elements > self.limits.tensor_elements {
            return Err(self.over(
                "number of elements of a weight",
                elements,
                self.limits.tensor_elements,
            ));
        }
        if tensor.data_location == Some(DataLocation::External as i32) {
            let location = tensor.external_data.iter().find(|e| e.key == "location");
            let location = location.map_or("", |e| e.value.as_str());
            let inside = Path::new(location)
                .components()
                .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
            if location.is_empty() || !inside {
                return Err(Error::input(
                    &self.path,
                    format!(
                        "the weight `{}` lies at `{location}`, outside the model's folder",
                        tensor.name
                    ),
                ));
            }
            self.external.insert(PathBuf::from(location));
        }
        Ok(elements)
    }

    fn check_external(&self) -> Result<()> {
        let mut total = 0u64;
        for name in &self.external {
            let path = self.folder().join(name);
            let metadata = std::fs::metadata(&path).map_err(|e| Error::io(&path, "opening", e))?;
            total = total.saturating_add(metadata.len());
        }
        if total > self.limits.external_bytes {
            return Err(self.over(
                "size of the weights beside the model in bytes",
                total,
                self.limits.external_bytes,
            ));
        }
        Ok(())
    }

    fn over(&self, what: &'static str, found: u64, limit: u64) -> Error {
        Error::Limit {
            path: self.path.clone(),
            what,
            found,
            limit,
        }
    }
}

/// Reads a whole file that may not be longer than `limit`.
pub(crate) fn read_limited(path: &Path, what: &'static str, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    let metadata = file.metadata().map_err(|e| Error::io(path, "reading", e))?;
    if !metadata.is_file() {
        return Err(Error::input(path, "this is not a file"));
    }
    let found = metadata.len();
    if found > limit {
        return Err(Error::Limit {
            path: path.to_owned(),
            what,
            found,
            limit,
        });
    }
    let mut bytes = Vec::with_capacity(found as usize);
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(path, "reading", e))?;
    Ok(bytes)
}

fn not_onnx(path: &Path) -> Error {
    Error::input(path, "this is no ONNX model")
        .with_hint("the file is truncated, damaged, or of another format")
}

/// The product of a small tensor of whole numbers: what a shape or a repetition that it holds asks for.
fn product_of(tensor: &TensorProto) -> Option<u64> {
    let ints: Vec<i64> = if tensor.int64_data.is_empty() {
        // Shapes are stored as raw little-endian 64-bit integers. Longer ones are no shapes.
        (tensor.raw_data.len() <= 64).then(|| {
            let words = tensor.raw_data.as_chunks::<8>().0;
            words.iter().map(|w| i64::from_le_bytes(*w)).collect()
        })?
    } else {
        tensor.int64_data.clone()
    };
    // Data type 7 is INT64.
    (tensor.data_type == 7).then(|| {
        ints.iter()
            .filter(|&&n| n > 0)
            .fold(1u64, |product, &n| product.saturating_mul(n as u64))
    })
}

fn port(info: &ValueInfoProto) -> Port {
    let value = info.r#type.as_ref().and_then(|t| t.value.as_ref());
    let shape = value.and_then(|type_proto::Value::TensorType(t)| t.shape.as_ref());
    let extents = shape.map_or_else(Vec::new, |shape| {
        let dims = shape.dim.iter();
        dims.map(|dim| match dim.value {
            Some(dimension::Value::DimValue(n)) => usize::try_from(n).ok().filter(|&n| n > 0),
            _ => None,
        })
        .collect()
    });
    Port {
        name: info.name.clone(),
        shape: extents,
    }
}
