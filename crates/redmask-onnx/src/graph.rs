//! From a surveyed file to something that runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use redmask_core::{Error, Result};
use tract_onnx::prelude::{
    Datum, InferenceFact, InferenceModelExt, IntoRunnable, TractError, TractResult,
    TypedRunnableModel,
};
use tract_onnx::tract_core::internal::{bail, format_err};

use crate::external::LimitedReads;
use crate::survey::ModelSurvey;

/// A model for one size of input.
pub(crate) type Plan = Arc<TypedRunnableModel>;

/// Builds the model for inputs of `shape`, with `output` as its only output.
///
/// # Errors
/// If the model has other inputs, lacks the output, does not take this shape, or would allocate more than the limits
/// allow.
pub(crate) fn build(
    survey: &ModelSurvey,
    input: &str,
    output: &str,
    shape: [usize; 4],
) -> Result<Plan> {
    let failed = |problem: String| {
        Error::input(survey.path(), problem).with_hint(
            "`redmask model inspect FILE` shows inputs, outputs and the configuration that was guessed",
        )
    };
    let inputs = survey.inputs();
    match &inputs[..] {
        [only] if only.name == input => {}
        _ => {
            let names: Vec<String> = inputs.iter().map(ToString::to_string).collect();
            return Err(failed(format!(
                "the model's input is not `{input}` alone; it has {}",
                names.join(", ")
            )));
        }
    }
    if !survey.outputs().iter().any(|port| port.name == output) {
        let names: Vec<String> = survey.outputs().iter().map(ToString::to_string).collect();
        return Err(failed(format!(
            "the model has no output `{output}`; it has {}",
            names.join(", ")
        )));
    }
    // tract has asserts on paths that only malformed models take.
    let built = catch_unwind(AssertUnwindSafe(|| assemble(survey, output, shape)));
    match built {
        Ok(Ok(plan)) => Ok(plan),
        Ok(Err(error)) => Err(failed(format!(
            "the model cannot take an input {shape:?}: {}",
            root_cause(&error)
        ))),
        Err(_) => Err(failed("the model is malformed".to_owned())),
    }
}

fn assemble(survey: &ModelSurvey, output: &str, shape: [usize; 4]) -> TractResult<Plan> {
    let limits = survey.limits();
    let mut onnx = tract_onnx::onnx().with_ignore_value_info(true);
    onnx.provider = Arc::new(LimitedReads {
        most_bytes: limits.external_bytes,
    });
    let folder: Option<&str> = Path::to_str(survey.folder());
    let parsed = onnx.parse(survey.proto(), folder)?;
    if let Some(name) = parsed.unresolved_inputs.first() {
        bail!("nothing computes `{name}`");
    }
    let mut model = parsed.model;
    let outlet = parsed.outlets_by_name.get(output).copied();
    let outlet = outlet.ok_or_else(|| format_err!("nothing computes `{output}`"))?;
    model.select_output_outlets(&[outlet])?;
    model.set_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape))?;
    let model = model.into_typed()?;
    for node in model.nodes() {
        for fact in node.outputs.iter().map(|o| &o.fact) {
            let volume = fact.shape.volume().to_i64().unwrap_or(i64::MAX);
            if u64::try_from(volume).is_ok_and(|v| v > limits.tensor_elements) {
                bail!(
                    "`{}` computes {volume} numbers, the limit is {}",
                    node.name,
                    limits.tensor_elements
                );
            }
        }
    }
    model.into_optimized()?.into_runnable()
}

/// The innermost reason, in one line.
pub(crate) fn root_cause(error: &TractError) -> String {
    let cause = error.root_cause().to_string();
    cause.lines().next().unwrap_or_default().to_owned()
}
