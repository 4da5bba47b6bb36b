//! What ids are called in print.

use std::fmt::Write as _;

use crate::plan::ModelUse;
use crate::results::{Setting, UNDEFENDED};

impl Setting<'_> {
    /// The printed name of an attack.
    pub(crate) fn label(&self, id: &str) -> String {
        if let Some(label) = self.recipe.labels.get(id) {
            return label.clone();
        }
        match id {
            "type_i" => "Type-I".to_owned(),
            "type_ii" => "Type-II".to_owned(),
            "attack_p" => "Attack-P".to_owned(),
            "attack_r" => "Attack-R".to_owned(),
            other if other.starts_with("lira") => named("LiRA", &other[4..]),
            other if other.starts_with("rmia") => named("RMIA", &other[4..]),
            other => {
                let words = other.replace('_', " ");
                let mut letters = words.chars();
                letters.next().map_or_else(String::new, |first| {
                    first.to_uppercase().chain(letters).collect()
                })
            }
        }
    }

    /// A condition's value as printed: names by their label, everything else as it is.
    pub(crate) fn label_of_value(&self, condition: &str, value: &str) -> String {
        match condition {
            "attack" => self.label(value),
            _ => self
                .recipe
                .labels
                .get(value)
                .cloned()
                .unwrap_or_else(|| value.to_owned()),
        }
    }

    /// The defence of a model as printed.
    pub(crate) fn label_of_defence(&self, model: &ModelUse) -> String {
        match &model.defence {
            Some(defence) => self.label_of_value("defence", &defence.name),
            None => self.label_of_value("defence", UNDEFENDED),
        }
    }

    /// A model as printed, with what tells it from others of its network.
    pub(crate) fn label_of_use(&self, model: &ModelUse) -> String {
        let mut text = self.label_of_value("victim", &model.model.network);
        // Writing into a String cannot fail.
        if model.model.train_records.is_some() {
            let _ = write!(text, ", {} records", model.train_records);
        }
        if model.defence.is_some() {
            let _ = write!(text, ", {}", self.label_of_defence(model));
        }
        if let Some(poison) = &model.model.poison {
            let _ = write!(text, ", {}", self.label_of_value("poison", poison));
        }
        if model.reference.epoch.is_some() {
            let _ = write!(text, ", epoch {}", model.epoch);
        }
        text
    }
}

/// An acronym with what follows it in the id: `LiRA online`.
fn named(acronym: &str, rest: &str) -> String {
    format!("{acronym}{}", rest.replace('_', " "))
}
