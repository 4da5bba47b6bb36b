//! The 8-bit image every reader produces.

/// An image of `u8` values, planar: `[channels, height, width]`. Deeper sources (16-bit PNG, CT slices) are
/// windowed to 8 bits by their reader, which documents the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    channels: usize,
    height: usize,
    width: usize,
    data: Vec<u8>,
}

impl Image {
    /// Wraps planar data.
    ///
    /// # Panics
    /// If `data.len() != channels * height * width`.
    pub fn new(channels: usize, height: usize, width: usize, data: Vec<u8>) -> Self {
        assert_eq!(
            data.len(),
            channels * height * width,
            "image data must fill its shape"
        );
        Self {
            channels,
            height,
            width,
            data,
        }
    }

    /// Converts interleaved `[height, width, channels]` data.
    ///
    /// # Panics
    /// If the length does not fit the shape.
    pub fn from_interleaved(channels: usize, height: usize, width: usize, pixels: &[u8]) -> Self {
        assert_eq!(
            pixels.len(),
            channels * height * width,
            "image data must fill its shape"
        );
        let plane = height * width;
        let mut data = vec![0; pixels.len()];
        for (i, px) in pixels.chunks_exact(channels).enumerate() {
            for (c, &v) in px.iter().enumerate() {
                data[c * plane + i] = v;
            }
        }
        Self {
            channels,
            height,
            width,
            data,
        }
    }

    /// The pixels as interleaved `[height, width, channels]`.
    pub fn to_interleaved(&self) -> Vec<u8> {
        let plane = self.height * self.width;
        let mut out = vec![0; self.data.len()];
        for (c, channel) in self.data.chunks_exact(plane.max(1)).enumerate() {
            for (i, &v) in channel.iter().enumerate() {
                out[i * self.channels + c] = v;
            }
        }
        out
    }

    /// Channels: 1 or 3.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Planar pixels.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Planar pixels, mutable.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// One value.
    ///
    /// # Panics
    /// Outside the image.
    pub fn get(&self, channel: usize, y: usize, x: usize) -> u8 {
        self.data[(channel * self.height + y) * self.width + x]
    }

    /// Sets one value.
    ///
    /// # Panics
    /// Outside the image.
    pub fn set(&mut self, channel: usize, y: usize, x: usize, value: u8) {
        self.data[(channel * self.height + y) * self.width + x] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaving_round_trips() {
        let pixels: Vec<u8> = (0..24).collect();
        let image = Image::from_interleaved(3, 2, 4, &pixels);
        assert_eq!(image.get(1, 0, 1), 4);
        assert_eq!(image.to_interleaved(), pixels);
    }
}
