//! Changing some pixels of a stored mask.

use redmask_core::{LabelMap, Result};
use redmask_data::files::{LabelCode, RawMask, RawPixels};

/// `stored` with the pixels whose class differs between `before` and `after` changed. All other pixels keep the very value that
/// they had: several values may mean one class, and a void class has many.
///
/// # Errors
/// If the code has no value for a class that a pixel gets.
pub(super) fn merge(
    mut stored: RawMask,
    code: &LabelCode,
    before: &LabelMap,
    after: &LabelMap,
) -> Result<RawMask> {
    let changed: Vec<usize> = (0..before.data().len())
        .filter(|&i| before.data()[i] != after.data()[i])
        .collect();
    if let (LabelCode::Instances, RawPixels::Values { values, .. }) = (code, &mut stored.pixels) {
        // What becomes an object is one new instance.
        let fresh = values.iter().copied().max().unwrap_or(0).saturating_add(1);
        for &i in &changed {
            values[i] = if after.data()[i] == 0 { 0 } else { fresh };
        }
        return Ok(stored);
    }
    let encoded = code.encode(after)?;
    let merged = match (&mut stored.pixels, &encoded.pixels) {
        (RawPixels::Values { values, palette }, RawPixels::Values { values: new, .. }) => {
            // A threshold looks through a palette, so its grey levels are no indices.
            let plain = palette.is_none() || matches!(code, LabelCode::Ids(_));
            if plain {
                for &i in &changed {
                    values[i] = new[i];
                }
            }
            plain
        }
        (RawPixels::Colours(colours), RawPixels::Colours(new)) => {
            for &i in &changed {
                colours[i] = new[i];
            }
            true
        }
        (
            RawPixels::Values {
                values,
                palette: Some(palette),
            },
            RawPixels::Colours(new),
        ) => {
            let index = |colour: &[u8; 3]| palette.iter().position(|p| p == colour);
            let indices: Option<Vec<usize>> = changed.iter().map(|&i| index(&new[i])).collect();
            if let Some(indices) = &indices {
                for (&i, &index) in changed.iter().zip(indices) {
                    values[i] = index as u16;
                }
            }
            indices.is_some()
        }
        _ => false,
    };
    Ok(if merged { stored } else { encoded })
}

#[cfg(test)]
mod tests {
    use redmask_core::IGNORE;

    use super::*;

    fn values(values: Vec<u16>, palette: Option<Vec<[u8; 3]>>) -> RawMask {
        RawMask {
            height: 1,
            width: values.len(),
            pixels: RawPixels::Values { values, palette },
        }
    }

    fn labels(classes: Vec<u8>) -> LabelMap {
        LabelMap::new(1, classes.len(), classes)
    }

    #[test]
    fn untouched_pixels_keep_their_value() {
        // 4 and 9 both mean ignore; only the last pixel changes.
        let code = LabelCode::Ids([(7, 0), (8, 1), (4, IGNORE), (9, IGNORE)].into());
        let (before, after) = (labels(vec![0, 255, 255, 1]), labels(vec![0, 255, 255, 0]));
        let merged = merge(values(vec![7, 4, 9, 8], None), &code, &before, &after).unwrap();
        assert_eq!(merged, values(vec![7, 4, 9, 7], None));
        let grey = LabelCode::Threshold(127);
        let (before, after) = (labels(vec![0, 1, 1]), labels(vec![0, 1, 0]));
        let merged = merge(values(vec![3, 251, 250], None), &grey, &before, &after).unwrap();
        assert_eq!(merged, values(vec![3, 251, 0], None));
    }

    #[test]
    fn palettes_and_instances_are_respected() {
        let code = LabelCode::Colours([([1; 3], 0), ([2; 3], 1)].into());
        let palette = Some(vec![[2; 3], [1; 3]]);
        let (before, after) = (labels(vec![1, 1]), labels(vec![1, 0]));
        let merged = merge(values(vec![0, 0], palette.clone()), &code, &before, &after).unwrap();
        assert_eq!(merged, values(vec![0, 1], palette));
        let short = Some(vec![[2; 3]]);
        let merged = merge(values(vec![0, 0], short), &code, &before, &after).unwrap();
        assert_eq!(merged.pixels, RawPixels::Colours(vec![[2; 3], [1; 3]]));
        let (before, after) = (labels(vec![1, 0, 1]), labels(vec![0, 1, 1]));
        let merged = merge(
            values(vec![5, 0, 6], None),
            &LabelCode::Instances,
            &before,
            &after,
        );
        assert_eq!(merged.unwrap(), values(vec![0, 7, 6], None));
    }
}
