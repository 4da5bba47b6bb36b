//! What ids are called in print.

use std::collections::BTreeMap;

use crate::schema::{Condition, Conditions, Metric, ReportData};

/// Printed names of attacks, metrics and condition values, and the colour order of attacks.
#[derive(Debug, Clone, Default)]
pub struct Names {
    attacks: Vec<(String, String)>,
    labels: BTreeMap<String, String>,
}

impl Names {
    /// The names that a report declares.
    pub fn of(data: &ReportData) -> Self {
        let attacks = data.attacks.iter();
        Self {
            attacks: attacks.map(|a| (a.id.clone(), a.label.clone())).collect(),
            labels: data.labels.clone(),
        }
    }

    /// The printed name of an id: as declared, as the metric is called, or made readable (`null_victim` to `Null victim`).
    ///
    /// ```
    /// let names = redmask_report::names::Names::default();
    /// assert_eq!(names.label("auc"), "AUC");
    /// assert_eq!(names.label("null_victim"), "Null victim");
    /// ```
    pub fn label(&self, id: &str) -> String {
        if let Some(label) = self.labels.get(id) {
            return label.clone();
        }
        if let Some((_, label)) = self.attacks.iter().find(|(known, _)| known == id) {
            return label.clone();
        }
        if let Some(metric) = Metric::of(id).filter(|m| m.id == id) {
            return metric.label.to_owned();
        }
        readable(id)
    }

    /// The place of an attack in the report's order.
    pub fn attack_index(&self, id: &str) -> Option<usize> {
        self.attacks.iter().position(|(known, _)| known == id)
    }

    /// A dotted name in words: `membership.type_ii.auc` to `Type-II, AUC`.
    pub fn measurement(&self, name: &str) -> String {
        let mut parts = name.split('.').collect::<Vec<_>>();
        let control = parts.first() == Some(&"control");
        if control || parts.first() == Some(&"membership") {
            parts.remove(0);
        }
        let metric = parts.pop().map(|id| self.label(id)).unwrap_or_default();
        let subject = parts.iter().map(|p| self.label(p)).collect::<Vec<_>>();
        match (control, subject.is_empty()) {
            (_, true) => metric,
            (true, false) => format!("{} control, {metric}", subject.join(", ")),
            (false, false) => format!("{}, {metric}", subject.join(", ")),
        }
    }

    /// One condition value in words; a flag by its own name.
    pub fn condition(&self, name: &str, value: &Condition) -> String {
        match value {
            Condition::Text(text) => self.label(text),
            Condition::Flag(true) => self.label(name),
            Condition::Flag(false) => format!("not {}", self.label(name).to_lowercase()),
            number => format!("{} {number}", self.label(name).to_lowercase()),
        }
    }

    /// All conditions in words, in the order of their names.
    pub fn conditions(&self, conditions: &Conditions) -> String {
        let words = conditions.iter().map(|(k, v)| self.condition(k, v));
        words.collect::<Vec<_>>().join(", ")
    }
}

fn readable(id: &str) -> String {
    let spaced = id.replace('_', " ");
    let mut letters = spaced.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => spaced,
    }
}

/// The attack of `membership.<attack>.<metric>`, and of `control.null_victim.<attack>.<metric>`.
pub(crate) fn attack_of(name: &str) -> Option<&str> {
    let parts = name.split('.').collect::<Vec<_>>();
    match parts[..] {
        ["membership", attack, _] | ["control", "null_victim", attack, _] => Some(attack),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_words() {
        let mut data = ReportData::new("t", "r", "small");
        data.labels.insert("type_ii".into(), "Type-II".into());
        let names = Names::of(&data);
        assert_eq!(names.measurement("membership.type_ii.auc"), "Type-II, AUC");
        assert_eq!(names.measurement("control.blind.auc"), "Blind control, AUC");
        assert_eq!(names.measurement("segmentation.miou"), "Segmentation, mIoU");
        let conditions = Conditions::from([
            ("epoch".to_owned(), Condition::from(40u64)),
            ("paper_compat".to_owned(), Condition::from(true)),
            ("victim".to_owned(), Condition::from("type_ii")),
        ]);
        assert_eq!(
            names.conditions(&conditions),
            "epoch 40, Paper compat, Type-II"
        );
    }

    #[test]
    fn attacks_are_found_in_names() {
        assert_eq!(attack_of("membership.type_i.auc"), Some("type_i"));
        assert_eq!(attack_of("control.null_victim.type_i.auc"), Some("type_i"));
        assert_eq!(attack_of("control.blind.auc"), None);
    }
}
