"""ONNX inference of Redmask (tract) beside onnxruntime, on this machine: `python tools/peers/onnx_speed.py`.

Needs torch, segmentation-models-pytorch, onnx and onnxruntime. Exports smp's U-Net with ResNet-34 at full width, times both on the same
images (one at a time; onnxruntime with as many intra-op threads as Redmask has workers), and prints seconds an image and the ratio. Both sides
run three times, in turn; the fastest counts.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import segmentation_models_pytorch as smp
import torch

ROOT = Path(__file__).resolve().parents[2]


def export(encoder, size, target):
    torch.manual_seed(0)
    model = smp.Unet(encoder, encoder_weights=None, classes=1).eval()
    axes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        model, torch.zeros(1, 3, size, size), target, opset_version=17, dynamo=False,
        input_names=["image"], output_names=["logits"], dynamic_axes={"image": axes, "logits": axes},
    )


def runtime(target, size, images, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(target, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((1, 3, size, size), dtype=np.float32)
    session.run(None, {"image": x})
    clock = time.perf_counter()
    for _ in range(images):
        session.run(None, {"image": x})
    return (time.perf_counter() - clock) / images


def redmask(binary, target, size, images):
    out = subprocess.run([binary, target, str(size), str(size), str(images)], check=True, capture_output=True, text=True)
    return {int(t): float(s) for t, s in (line.split() for line in out.stdout.splitlines())}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--binary", default=str(ROOT / "target/release/examples/speed"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "unet.onnx")
        export(args.encoder, args.size, target)
        ours, theirs = {}, {}
        for _ in range(3):
            for threads, seconds in redmask(args.binary, target, args.size, args.images).items():
                ours[threads] = min(seconds, ours.get(threads, seconds))
                other = runtime(target, args.size, args.images, threads)
                theirs[threads] = min(other, theirs.get(threads, other))
    print(f"U-Net / {args.encoder}, {args.size} x {args.size}, seconds an image")
    for threads in sorted(ours):
        ratio = ours[threads] / theirs[threads]
        print(f"{threads} thread(s): redmask {ours[threads]:.4f}, onnxruntime {ort.__version__} {theirs[threads]:.4f}, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
