//! Putting a paper's numbers beside the measured ones.

use std::collections::BTreeSet;

use redmask_core::{Error, Result};
use redmask_report::schema::{Condition, Conditions, Measurement, Published};

use crate::recipe::PublishedTable;

/// Attaches every published number to the measurements of its name whose conditions include its own.
///
/// # Errors
/// If a number matches several measurements, which makes the recipe ambiguous. A number that matches none is no error: a
/// profile may leave out a row.
pub(super) fn attach(tables: &[PublishedTable], measurements: &mut [Measurement]) -> Result<()> {
    for table in tables {
        for row in &table.rows {
            let cells: Vec<(&String, &Condition)> = table.columns.iter().zip(row).collect();
            let (numbers, conditions): (Vec<_>, Vec<_>) = cells
                .into_iter()
                .partition(|(column, _)| column.contains('.'));
            let conditions: Conditions = conditions
                .into_iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            for (name, value) in numbers {
                attach_one(name, value, &conditions, &table.source, measurements)?;
            }
        }
    }
    Ok(())
}

fn attach_one(
    name: &str,
    value: &Condition,
    conditions: &Conditions,
    source: &str,
    measurements: &mut [Measurement],
) -> Result<()> {
    let Some(value) = value.as_number() else {
        return Err(Error::config(
            "published",
            format!("`{value}` is not a number"),
        ));
    };
    let mut matching: Vec<&mut Measurement> = measurements
        .iter_mut()
        .filter(|m| m.name == name && includes(&m.conditions, conditions))
        .collect();
    // The corrected and the published form of an attack both stand beside the published number.
    let distinct: BTreeSet<Conditions> = matching
        .iter()
        .map(|m| {
            let mut conditions = m.conditions.clone();
            conditions.remove("paper_compat");
            conditions
        })
        .collect();
    if distinct.len() > 1 {
        return Err(Error::config(
            "published",
            format!(
                "{name} = {value} could belong to several measurements; add a column that tells them apart"
            ),
        ));
    }
    for measurement in &mut matching {
        measurement.published = Some(Published {
            value,
            source: source.to_owned(),
        });
    }
    Ok(())
}

fn includes(all: &Conditions, some: &Conditions) -> bool {
    some.iter()
        .all(|(name, value)| all.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use redmask_report::schema::Unit;

    use super::*;

    fn table() -> PublishedTable {
        PublishedTable {
            source: "Table 9".into(),
            columns: vec!["victim".into(), "membership.x.auc".into()],
            rows: vec![
                vec!["a".into(), 0.75.into()],
                vec!["none".into(), 0.5.into()],
            ],
        }
    }

    fn auc(victim: &str) -> Measurement {
        Measurement::new("membership.x.auc", Unit::Fraction, 0.6).condition("victim", victim)
    }

    #[test]
    fn numbers_find_their_measurements() {
        let compat = auc("a").condition("paper_compat", true);
        let mut measurements = vec![auc("a"), auc("b"), compat];
        attach(&[table()], &mut measurements).unwrap();
        let values: Vec<Option<f64>> = measurements
            .iter()
            .map(|m| m.published.as_ref().map(|p| p.value))
            .collect();
        assert_eq!(values, [Some(0.75), None, Some(0.75)]);
    }

    #[test]
    fn an_ambiguous_number_is_refused() {
        let mut measurements = vec![
            auc("a").condition("shadow", "s"),
            auc("a").condition("shadow", "t"),
        ];
        let error = attach(&[table()], &mut measurements).unwrap_err();
        assert!(error.to_string().contains("several"), "{error}");
    }
}
