"""Times Opacus on the network of `private_step`: U-Net/ResNet-34 with group normalisation, in PyTorch on the CPU.

    python tools/peers/opacus_step.py --size 128 --batch 8 --steps 8 --threads 2

For each way to per-sample gradients (none, hooks, ghost clipping) it prints the median milliseconds of a step and the peak
memory of a process of its own. The network is segmentation-models-pytorch's, made fit for Opacus: every BatchNorm is replaced by
GroupNorm(gcd(32, c)), no rectifier works in place, and the in-place sum of a residual block is written out.

Needs torch, segmentation-models-pytorch and opacus (see the versions it prints).
"""

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time


def residual_forward(self, x):
    identity = x if self.downsample is None else self.downsample(x)
    out = self.relu(self.bn1(self.conv1(x)))
    out = self.bn2(self.conv2(out))
    return self.relu2(out + identity)


def network(torch):
    import segmentation_models_pytorch as smp
    from torchvision.models.resnet import BasicBlock

    model = smp.Unet("resnet34", encoder_weights=None, classes=1)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.BatchNorm2d):
                channels = child.num_features
                setattr(parent, name, torch.nn.GroupNorm(math.gcd(32, channels), channels))
            elif isinstance(child, torch.nn.ReLU):
                setattr(parent, name, torch.nn.ReLU(inplace=False))
    for module in model.modules():
        if isinstance(module, BasicBlock):
            # Opacus' hooks see a module once in a pass.
            module.relu2 = torch.nn.ReLU(inplace=False)
            module.forward = residual_forward.__get__(module)
    return model


def dice(torch, logits, target):
    """Per-image soft Dice, [n]."""
    p = torch.sigmoid(logits).flatten(1)
    t = target.flatten(1)
    return 1 - 2 * (p * t).sum(1) / (p + t).sum(1).clamp_min(1e-7)


def run(kind, args):
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = network(torch)
    x = torch.randn(args.batch, 3, args.size, args.size)
    target = (torch.rand(args.batch, 1, args.size, args.size) > 0.5).float()
    optimizer = torch.optim.NAdam(model.parameters(), lr=1e-4)

    if kind == "plain":

        def step():
            optimizer.zero_grad()
            dice(torch, model(x), target).mean().backward()
            optimizer.step()

    elif kind == "hooks":
        from opacus import GradSampleModule
        from opacus.optimizers import DPOptimizer

        model = GradSampleModule(model)
        private = DPOptimizer(
            optimizer, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=args.batch
        )

        def step():
            private.zero_grad()
            dice(torch, model(x), target).mean().backward()
            private.step()

    else:
        from opacus.grad_sample import GradSampleModuleFastGradientClipping
        from opacus.optimizers.optimizer_fast_gradient_clipping import (
            DPOptimizerFastGradientClipping,
        )
        from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

        model = GradSampleModuleFastGradientClipping(
            model, max_grad_norm=1.0, use_ghost_clipping=True, loss_reduction="mean"
        )
        private = DPOptimizerFastGradientClipping(
            optimizer,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            expected_batch_size=args.batch,
            loss_reduction="mean",
        )

        class Rows(torch.nn.Module):
            reduction = "mean"

            def forward(self, logits, target):
                rows = dice(torch, logits, target)
                return rows.mean() if self.reduction == "mean" else rows

        criterion = DPLossFastGradientClipping(model, private, Rows(), loss_reduction="mean")

        def step():
            private.zero_grad()
            criterion(model(x), target).backward()
            private.step()

    times = []
    for i in range(args.steps + 2):
        start = time.perf_counter()
        step()
        if i >= 2:
            times.append(1e3 * (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"kind": kind, "median_ms": statistics.median(times), "times": times, "peak_mib": peak}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="how often all ways are run in turn")
    parser.add_argument("--kind", choices=["plain", "hooks", "ghost"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind:
        print(json.dumps(run(args.kind, args)))
        return
    import importlib.metadata as metadata

    names = ["torch", "segmentation-models-pytorch", "opacus"]
    print(", ".join(f"{name} {metadata.version(name)}" for name in names))
    results = {"plain": [], "hooks": [], "ghost": []}
    for _ in range(args.rounds):
        for kind, found in results.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--kind", kind]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.append(json.loads(output.splitlines()[-1]))
    plain = statistics.median(t for r in results["plain"] for t in r["times"])
    for kind, found in results.items():
        median = statistics.median(t for r in found for t in r["times"])
        peak = max(r["peak_mib"] for r in found)
        print(f"{kind:6} {median:8.1f} ms, {median / plain:.2f} of plain, {peak:.0f} MiB peak")


if __name__ == "__main__":
    main()
