//! Our convolution against PyTorch's: values and all gradients.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use redmask_nn::ops::{self, Activation, ConvOptions, Precision};
use safetensors::SafeTensors;

struct Case<'a> {
    name: &'a str,
    file: &'a SafeTensors<'a>,
}

impl Case<'_> {
    fn values(&self, what: &str) -> (Vec<usize>, Vec<f32>) {
        let view = self.file.tensor(&format!("{}.{what}", self.name)).unwrap();
        let numbers = view.data().as_chunks().0.iter();
        let values = numbers.map(|b| f32::from_le_bytes(*b)).collect();
        (view.shape().to_vec(), values)
    }

    fn tensor<const D: usize>(&self, what: &str, device: &Device) -> Tensor<D> {
        let (shape, values) = self.values(what);
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Asserts agreement within `tolerance` of the largest value.
    fn agrees<const D: usize>(&self, what: &str, ours: Tensor<D>, tolerance: f32) {
        let (shape, theirs) = self.values(what);
        assert_eq!(ours.dims().as_slice(), shape, "{} {what}", self.name);
        let ours: Vec<f32> = ours.inner().into_data().try_into_vec().unwrap();
        let scale = theirs.iter().fold(0_f32, |m, v| m.max(v.abs()));
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!(
                (a - b).abs() <= tolerance * scale,
                "{} {what} at {i}: {a} for {b}",
                self.name
            );
        }
    }

    fn check(&self, precision: Precision, tolerance: f32) {
        let device = Device::flex().autodiff();
        let [stride, padding, dilation, groups] = <[f32; 4]>::try_from(self.values("options").1)
            .unwrap()
            .map(|v| v as usize);
        let options = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups);
        let x = self.tensor::<4>("x", &device).require_grad();
        let weight = self.tensor::<4>("weight", &device).require_grad();
        let bias = self.tensor::<1>("bias", &device).require_grad();
        let y = ops::conv2d_bias(
            x.clone(),
            weight.clone(),
            bias.clone(),
            options,
            precision,
            Activation::Identity,
            [None, None],
        );
        let loss = (y.clone() * self.tensor("dy", &device)).sum();
        let gradients = loss.backward();
        self.agrees("y", y, tolerance);
        self.agrees(
            "dx",
            Tensor::from_inner(x.grad(&gradients).unwrap()),
            tolerance,
        );
        let dweight = weight.grad(&gradients).unwrap();
        self.agrees("dweight", Tensor::from_inner(dweight), tolerance);
        self.agrees(
            "dbias",
            Tensor::from_inner(bias.grad(&gradients).unwrap()),
            tolerance,
        );
    }
}

fn check_all(precision: Precision, tolerance: f32) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ops/conv.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let names = file
        .names()
        .into_iter()
        .filter_map(|name| name.strip_suffix(".options"));
    let mut count = 0;
    for name in names {
        Case { name, file: &file }.check(precision, tolerance);
        count += 1;
    }
    assert_eq!(count, 15);
}

#[test]
fn convolutions_agree_with_pytorch() {
    check_all(Precision::Fp32, 3e-6);
}

#[test]
fn convolutions_in_bf16_agree_with_pytorch() {
    if !Precision::Bf16.is_available() {
        eprintln!("skipped: this CPU has no matrix unit for bfloat16");
        return;
    }
    // Two factors of 8 bits each, of which a few errors add up.
    check_all(Precision::Bf16, 1.5e-2);
}
