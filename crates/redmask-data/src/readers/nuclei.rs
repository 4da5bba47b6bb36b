//! Cell nuclei of the 2018 Data Science Bowl (Caicedo et al., Nature Methods 2019): `images/` and, under the same stem,
//! `instances/` with one 16-bit PNG an image that holds instance ids. Semantic classes follow: 0 is background,
//! everything else nucleus.

use redmask_core::{ClassKind, ClassTable, Result};

use crate::files::{Coding, InstanceCode, LabelCode, PairDataset, pair};
use crate::{DataSpec, OpenOptions};

/// Opens the folder; all records are in the split `all`.
///
/// # Errors
/// If a folder is missing or empty, or an image has no instance map.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    let root = spec.path()?;
    let records = pair(
        "all",
        &root.join("images"),
        &root.join("instances"),
        str::to_owned,
    )?;
    let coding = Coding {
        classes: ClassTable::from_rows(&[
            ("background", [0, 0, 0], ClassKind::Stuff),
            ("nucleus", [86, 180, 233], ClassKind::Thing),
        ]),
        channels: 3,
        labels: LabelCode::Instances,
        instances: InstanceCode::default(),
    };
    PairDataset::new(root.to_owned(), records, coding, options.limits)
}
