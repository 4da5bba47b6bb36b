//! Reduces every record of a pool to its signals under one model.

use burn::tensor::Device;
use redmask_attacks::signals::{RecordSignals, SignalConfig, View, collect, gradient_norms};
use redmask_core::{Error, Result};
use redmask_data::Transform;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{QUERY_BATCH, Workshop};
use crate::plan::SignalTask;
use crate::store::{Slot, Stored};

/// The signals of every record, as the stage writes them.
const SIGNALS: &str = "signals.json";

/// The queries of each record: as it is, and mirrored with its labels. In LiRA's experiments the second query brings most
/// of what further ones bring.
const VIEWS: [Transform; 2] = [Transform::IDENTITY, Transform::FLIP_X];

/// `[records][queries]`, in the order of the task's records.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalFile {
    records: Vec<Vec<RecordSignals>>,
}

pub(super) fn run(workshop: &Workshop<'_>, task: &SignalTask, slot: &Slot) -> Result<Value> {
    let predictor = super::model::load(workshop, task.model)?;
    let records = workshop.records.subset(&task.records, workshop.session)?;
    let config = SignalConfig::default();
    let mut file = SignalFile {
        records: vec![Vec::with_capacity(VIEWS.len()); task.records.len()],
    };
    for view in VIEWS {
        let seen = View::new(&records, view);
        let signals = collect(
            predictor.as_ref(),
            &seen,
            QUERY_BATCH,
            &config,
            workshop.session,
        )?;
        for (record, signals) in file.records.iter_mut().zip(signals) {
            record.push(signals);
        }
    }
    if task.gradients {
        let (card, network) = super::model::load_for_gradients(workshop, task.model)?;
        let device = Device::flex();
        let norms = gradient_norms(&network, card.scaling, &device, &records, workshop.session)?;
        for (record, norm) in file.records.iter_mut().zip(norms) {
            // Of the image as it is; its mirror image has none.
            record[0].gradient_norm = Some(norm.whole);
        }
    }
    slot.write_json(SIGNALS, &file)?;
    Ok(json!({
        "epoch": task.model.epoch,
        "signals": config,
        "queries": VIEWS.len(),
        "gradients": task.gradients,
    }))
}

/// The signals `[records][queries]` of a finished stage.
///
/// # Errors
/// If the stage is damaged, or holds another number of records.
pub(crate) fn read(stored: &Stored, records: usize) -> Result<Vec<Vec<RecordSignals>>> {
    let file: SignalFile = stored.read_json(SIGNALS)?;
    if file.records.len() != records {
        return Err(Error::Internal(format!(
            "signals of {} records, not of {records}",
            file.records.len()
        )));
    }
    Ok(file.records)
}
