//! Atrous spatial pyramid pooling (Chen et al., 2017), shared by the DeepLabs.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::block::{AdaptiveAverage, Conv2dConfig, Dropout, Layer, NormKind, Relu, Sequential};
use crate::init::Init;
use crate::ops;
use crate::pass::Pass;

/// Dilations of the three atrous branches.
const RATES: [usize; 3] = [12, 24, 36];

/// Shape of the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsppShape {
    pub(super) input: usize,
    pub(super) output: usize,
    /// Depthwise and pointwise convolutions instead of full ones.
    pub(super) separable: bool,
    pub(super) dropout: f64,
    pub(super) norm: NormKind,
}

/// One 1x1 branch, three atrous ones, the mean of the image, projected together.
#[derive(Module, Debug)]
pub(super) struct Aspp {
    convs: Vec<Sequential>,
    project: Sequential,
}

impl Aspp {
    pub(super) fn new(shape: AsppShape, init: &Init<'_>) -> Self {
        let AsppShape {
            input,
            output,
            norm,
            ..
        } = shape;
        let branches = init.child("convs");
        let pointwise = Conv2dConfig::new(input, output, 1);
        let mut convs = vec![Sequential::conv_norm_relu(
            pointwise,
            norm,
            &branches.index(0),
        )];
        for (i, rate) in RATES.into_iter().enumerate() {
            let init = branches.index(i + 1);
            convs.push(if shape.separable {
                separable_norm_relu(input, output, rate, norm, &init)
            } else {
                let atrous = Conv2dConfig::new(input, output, 3).dilation(rate).same();
                Sequential::conv_norm_relu(atrous, norm, &init)
            });
        }
        let init_mean = branches.index(4);
        convs.push(
            Sequential::default()
                .then(Layer::AdaptiveAverage(AdaptiveAverage::new(1)))
                .then(Layer::Conv(pointwise.init(&init_mean.index(1))))
                .then(Layer::Norm(norm.init(output, &init_mean.index(2))))
                .then(Layer::Relu(Relu)),
        );
        let project = Conv2dConfig::new(5 * output, output, 1);
        Self {
            convs,
            project: Sequential::conv_norm_relu(project, norm, &init.child("project"))
                .then(Layer::Dropout(Dropout::values(shape.dropout))),
        }
    }

    /// `[n, input, h, w]` to `[n, output, h, w]`.
    pub(super) fn forward(&self, x: &Tensor<4>, pass: &Pass) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let branches = self
            .convs
            .iter()
            .map(|conv| {
                let y = conv.forward(x.clone(), pass);
                // The mean of the image is spread over it again.
                if y.dims()[2..] == [h, w] {
                    y
                } else {
                    ops::resize_bilinear(y, [h, w])
                }
            })
            .collect();
        self.project.forward(Tensor::cat(branches, 1), pass)
    }
}

/// A 3x3 convolution of each channel by itself and a 1x1 convolution over channels: `0`, `1`.
pub(super) fn separable(
    input: usize,
    output: usize,
    dilation: usize,
    init: &Init<'_>,
) -> Sequential {
    let depthwise = Conv2dConfig::new(input, input, 3)
        .dilation(dilation)
        .same()
        .groups(input);
    Sequential::default()
        .then(Layer::Conv(depthwise.init(&init.index(0))))
        .then(Layer::Conv(
            Conv2dConfig::new(input, output, 1).init(&init.index(1)),
        ))
}

/// [`separable`], normalisation, rectifier.
pub(super) fn separable_norm_relu(
    input: usize,
    output: usize,
    dilation: usize,
    norm: NormKind,
    init: &Init<'_>,
) -> Sequential {
    Sequential::default()
        .then(Layer::Sequential(separable(
            input,
            output,
            dilation,
            &init.index(0),
        )))
        .then(Layer::Norm(norm.init(output, &init.index(1))))
        .then(Layer::Relu(Relu))
}
