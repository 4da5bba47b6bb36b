//! Integration tests of the training crate.

#[cfg(test)]
mod canaries;
#[cfg(test)]
mod classifier;
#[cfg(test)]
mod defence;
#[cfg(test)]
mod loss_parity;
#[cfg(test)]
mod optim_parity;
#[cfg(test)]
mod private;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod segmentation;
