//! Agreement with other implementations, and the laws that metrics obey on any input.

mod accountant_laws;
mod backdoor_laws;
mod backdoor_parity;
mod curve_laws;
mod curve_parity;
mod epsilon_laws;
mod segmentation_laws;
mod segmentation_parity;

use serde_json::Value;

/// Reads a fixture that its `export.py` wrote.
fn fixture(text: &str) -> Value {
    serde_json::from_str(text).expect("fixtures are written by a script")
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(number).collect()
}

fn ids(value: &Value) -> Vec<u8> {
    let list = value.as_array().expect("a list");
    list.iter()
        .map(|v| v.as_u64().expect("an id") as u8)
        .collect()
}

/// What "agrees" means across implementations that all compute in double precision.
const PARITY: f64 = 1e-9;

#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= PARITY,
        "{what}: {found} against {expected}"
    );
}
