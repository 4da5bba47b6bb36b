//! Profiles: the same recipe at another size, written as an overlay in the same file.

use redmask_core::{Error, Result};
use toml::{Table, Value};

/// The profile of a recipe that is run as written.
pub const AS_WRITTEN: &str = "default";

/// The profiles a recipe offers, in the file's order of names.
pub(crate) fn names(document: &Table) -> Vec<String> {
    match document.get("profile") {
        Some(Value::Table(profiles)) => profiles.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// Takes the overlays out of `document` and lays the chosen one over the rest.
///
/// # Errors
/// If the recipe has no profile of that name, `profile` is not a table of tables, or the recipe has profiles and none
/// was chosen.
pub(crate) fn apply(document: &mut Table, chosen: Option<&str>) -> Result<()> {
    let offered = names(document);
    let overlays = document.remove("profile");
    let Some(name) = chosen.filter(|name| *name != AS_WRITTEN) else {
        if offered.is_empty() {
            return Ok(());
        }
        return Err(
            Error::config("profile", "this recipe must be run at a profile")
                .with_hint(format!("add --profile with one of: {}", offered.join(", "))),
        );
    };
    let overlay = match overlays {
        Some(Value::Table(mut overlays)) => overlays.remove(name),
        _ => None,
    };
    match overlay {
        Some(Value::Table(overlay)) => {
            merge(document, overlay);
            Ok(())
        }
        Some(_) => Err(Error::config(
            format!("profile.{name}"),
            "a profile is a table of keys to replace",
        )),
        None => Err(
            Error::config("profile", format!("this recipe has no profile `{name}`")).with_hint(
                if offered.is_empty() {
                    "run it without --profile".to_owned()
                } else {
                    format!("it has: {}", offered.join(", "))
                },
            ),
        ),
    }
}

/// Tables merge key by key; everything else, arrays included, is replaced whole.
fn merge(base: &mut Table, overlay: Table) {
    for (key, value) in overlay {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    const RECIPE: &str = "
        seeds = 3
        [training]
        epochs = 70
        batch = 8
        [profile.paper]
        [profile.small]
        seeds = 1
        training.epochs = 30
        list = [1]
    ";

    #[test]
    fn an_overlay_replaces_only_what_it_names() {
        let mut small = table(RECIPE);
        apply(&mut small, Some("small")).unwrap();
        assert_eq!(
            small,
            table("seeds = 1\nlist = [1]\n[training]\nepochs = 30\nbatch = 8")
        );
        let mut paper = table(RECIPE);
        apply(&mut paper, Some("paper")).unwrap();
        assert_eq!(
            paper,
            table("seeds = 3\n[training]\nepochs = 70\nbatch = 8")
        );
    }

    #[test]
    fn a_profile_must_exist_and_be_chosen() {
        for chosen in [None, Some("huge"), Some(AS_WRITTEN)] {
            let error = apply(&mut table(RECIPE), chosen).unwrap_err();
            assert!(error.hint().unwrap().contains("paper, small"), "{error}");
        }
        assert!(apply(&mut table("seeds = 1"), None).is_ok());
        assert!(apply(&mut table("seeds = 1"), Some("small")).is_err());
        assert!(apply(&mut table("profile.small = 3"), Some("small")).is_err());
    }
}
