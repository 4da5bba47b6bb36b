//! Rasters of integers: class labels and instance ids.

/// A row-major `[height, width]` raster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster<T> {
    height: usize,
    width: usize,
    data: Vec<T>,
}

/// Class ids per pixel, [`crate::IGNORE`] where a pixel does not count.
pub type LabelMap = Raster<u8>;

/// Instance ids per pixel, 0 where there is no instance.
pub type InstanceMap = Raster<u16>;

impl<T: Copy> Raster<T> {
    /// Wraps row-major data.
    ///
    /// # Panics
    /// If `data.len() != height * width`.
    pub fn new(height: usize, width: usize, data: Vec<T>) -> Self {
        assert_eq!(
            data.len(),
            height * width,
            "raster data must fill {height}x{width}"
        );
        Self {
            height,
            width,
            data,
        }
    }

    /// A raster of one value.
    pub fn filled(height: usize, width: usize, value: T) -> Self {
        Self {
            height,
            width,
            data: vec![value; height * width],
        }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels, row-major.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// Pixels, row-major, mutable.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The pixel at row `y`, column `x`.
    ///
    /// # Panics
    /// Outside the raster.
    pub fn get(&self, y: usize, x: usize) -> T {
        self.data[y * self.width + x]
    }

    /// Sets the pixel at row `y`, column `x`.
    ///
    /// # Panics
    /// Outside the raster.
    pub fn set(&mut self, y: usize, x: usize, value: T) {
        self.data[y * self.width + x] = value;
    }

    /// Gives the pixels back.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }
}
