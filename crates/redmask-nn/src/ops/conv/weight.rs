//! A weight as it lies in memory, and which way it is read.

use super::geometry::Shifts;

/// Which of the two channel axes of a weight `[out, in, kh, kw]` is summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduce {
    /// The input channels: a forward pass.
    Inputs,
    /// The output channels: a data gradient.
    Outputs,
}

/// A weight `[out, in / groups, kh, kw]` as it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight<'a> {
    pub(super) values: &'a [f32],
    /// Elements of the window.
    pub(super) window: usize,
    pub(super) reduce: Reduce,
}

impl<'a> Weight<'a> {
    /// The distances of two rows of the product, and of two summed channels.
    pub(super) fn steps(self, shifts: &Shifts) -> [usize; 2] {
        match self.reduce {
            Reduce::Inputs => [shifts.inputs * self.window, self.window],
            Reduce::Outputs => [self.window, shifts.outputs * self.window],
        }
    }

    /// The factors of a row of the product from a summed channel on.
    pub(super) fn from(
        self,
        shifts: &Shifts,
        group: usize,
        row: usize,
        channel: usize,
    ) -> &'a [f32] {
        let group = group * shifts.outputs * shifts.inputs * self.window;
        let [row_step, channel_step] = self.steps(shifts);
        &self.values[group + row * row_step + channel * channel_step..]
    }
}
