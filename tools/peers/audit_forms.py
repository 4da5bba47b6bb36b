"""One full-size smp U-Net audited as ONNX, as weights and as saved predictions: `python tools/peers/audit_forms.py`.

Needs torch, segmentation-models-pytorch, onnx and a release build of redmask. The test in crates/redmask/tests/it/audit.rs does the same with a
narrow network that fits a repository; this one has the published width. Prints the largest difference between any two forms over all
common measurements and over all signals of all records.
"""

import argparse
import csv
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", default="Unet", help="a class of segmentation_models_pytorch")
    parser.add_argument("--arch", default="unet-resnet34,outputs=1")
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--records", type=int, default=24)
    parser.add_argument("--binary", default=str(ROOT / "target/release/redmask"))
    args = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rng = np.random.default_rng(0)
        images = []
        for sub in ("images", "masks"):
            (folder / sub).mkdir()
        y, x = np.mgrid[: args.size, : args.size] / args.size
        for i in range(args.records):
            cy, cx, r = rng.uniform(0.3, 0.7, 2).tolist() + [rng.uniform(0.1, 0.3)]
            mask = ((y - cy) ** 2 + (x - cx) ** 2 < r * r).astype(np.uint8)
            image = np.clip(90 + 70 * mask[..., None] + rng.normal(0, 25, (args.size, args.size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(image).save(folder / "images" / f"{i:03}.png")
            Image.fromarray(mask).save(folder / "masks" / f"{i:03}.png")
            images.append((image, mask))
        (folder / "data.toml").write_text(
            'images = "images"\nmasks = "masks"\n[labels]\ncode = "ids"\n'
            '[[classes]]\nname = "background"\ncolour = "#000000"\nkind = "stuff"\n'
            '[[classes]]\nname = "disc"\ncolour = "#ffffff"\nkind = "thing"\n'
        )
        half = args.records // 2
        (folder / "members.txt").write_text("".join(f"{i:03}\n" for i in range(half)))
        (folder / "others.txt").write_text("".join(f"{i:03}\n" for i in range(half, args.records)))

        inputs = np.stack([((image / 255 - MEAN) / STD).transpose(2, 0, 1) for image, _ in images]).astype(np.float32)
        inputs, truth = torch.from_numpy(inputs), torch.from_numpy(np.stack([m for _, m in images])[:, None].astype(np.float32))
        model = getattr(smp, args.network)(args.encoder, encoder_weights=None, classes=1)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        for _ in range(6):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model.train()(inputs[:half]), truth[:half])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        save_file(model.state_dict(), folder / "model.safetensors")
        axes = {0: "batch", 2: "height", 3: "width"}
        torch.onnx.export(
            model, inputs[:1], str(folder / "model.onnx"), opset_version=17, dynamo=False,
            input_names=["image"], output_names=["logits"], dynamic_axes={"image": axes, "logits": axes},
        )
        (folder / "saved" / "all").mkdir(parents=True)
        (folder / "saved" / "predictions.toml").write_text('scores = "logits"\nclasses = ["background", "disc"]\n')
        with torch.no_grad():
            for i in range(args.records):
                np.save(folder / "saved" / "all" / f"{i:03}.npy", model(inputs[i : i + 1])[0].numpy().astype("<f4"))

        forms = {
            "onnx": "onnx:model.onnx",
            "weights": f"weights:model.safetensors?arch={args.arch}&scaling=imagenet",
            "saved": "predictions:saved",
        }
        values, records = {}, {}
        for name, source in forms.items():
            done = subprocess.run(
                [args.binary, "audit", "--model", source, "--members", "discs=folder:data.toml@members.txt", "--non-members",
                 "discs=folder:data.toml@others.txt", "--no-requery", "--out", "out-" + name, "--quiet"],
                check=False, cwd=folder, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"},
            )
            if done.returncode != 0:
                raise SystemExit(done.stderr)
            results = json.loads((folder / f"out-{name}" / "results.json").read_text())["measurements"]
            values[name] = {m["name"] + json.dumps(m["conditions"], sort_keys=True): m["value"] for m in results if "simultaneous" not in m["name"]}
            with open(folder / f"out-{name}" / "records.csv") as f:
                records[name] = [[float(v) for k, v in row.items() if k.startswith("signal.") and v and "gradient" not in k] for row in csv.DictReader(f)]
        common = set.intersection(*(set(v) for v in values.values()))
        print(f"smp {args.network} / {args.encoder}, {args.records} records of {args.size} x {args.size}")
        print(f"{len(common)} common measurements: largest difference", max(abs(values[a][k] - values["saved"][k]) for a in values for k in common))
        for name in ("onnx", "weights"):
            differences = np.abs(np.array(records[name]) - np.array(records["saved"]))
            print(f"signals, {name} against PyTorch's saved answers: largest difference {differences.max():.2e}")


if __name__ == "__main__":
    main()
