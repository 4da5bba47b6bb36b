//! The SwiftNets against an oracle on torchvision's ResNet-18.

use redmask_nn::network::{NetworkConfig, SwiftNetConfig};

use crate::fixture::{Demand, EXACT, compare_network};

fn config() -> SwiftNetConfig {
    SwiftNetConfig {
        outputs: 2,
        ..SwiftNetConfig::default()
    }
}

#[test]
fn single_scale() {
    let config = NetworkConfig::SwiftNet(config());
    compare_network("swiftnet", &config, [2, 3, 64, 128], EXACT);
}

#[test]
fn pyramid() {
    let config = NetworkConfig::PyramidSwiftNet(config());
    let demand = Demand {
        // At stride 64 a channel has eight nearly equal values; PyTorch's own precisions differ by 9e-4 there.
        statistics: Some(2e-3),
        ..EXACT
    };
    compare_network("pyramid-swiftnet", &config, [2, 3, 128, 128], demand);
}
