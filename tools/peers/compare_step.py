"""Alternates one training step (or inference) of this product with PyTorch's and prints the ratios.

    cargo build --release -p redmask-train --example step_peer
    python tools/peers/compare_step.py --encoder resnet34 --size 128 --pairs 20

    cargo build --release -p redmask-train --features vulkan,cuda --example step_peer
    python tools/peers/compare_step.py --peers vulkan cuda torch-cuda torch-cuda-channels-last torch-cuda-tf32 torch-cuda-bf16

Every contestant is a process that stays alive and computes one step each time it is asked. They are asked in turn, round
after round, so that whatever else the machine does falls on all of them alike. On a machine that others use, run it
under `chrt --rr 5` (as root): threads that wait for each other lose far more to other processes than their share, on both
sides. Each figure is the median over the rounds; a ratio
is the median of the ratios within a round.
A ratio above 1 means that this product is faster. Memory is the peak resident memory of each process after training.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Peer:
    def __init__(self, name, command, environment):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended: see its error output above")
        return float(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", nargs="+", default=["resnet34", "mobilenet_v2", "vgg11"])
    parser.add_argument("--size", nargs="+", type=int, default=[128, 256])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=20, help="rounds that count")
    parser.add_argument("--warmup", type=int, default=3, help="rounds before them")
    parser.add_argument("--kinds", nargs="+", default=["step", "infer"], choices=["step", "gradient", "infer"])
    parser.add_argument(
        "--peers",
        nargs="+",
        default=["fp32", "bf16", "torch-contiguous", "torch-channels-last", "torch-bf16"],
        choices=[*OURS, *(name for family in TORCH.values() for name in family)],
        help="who takes part: ours without `torch-`; vulkan and cuda need a build with the feature of that name",
    )
    parser.add_argument("--binary", default=str(ROOT / "target/release/examples/step_peer"))
    return parser.parse_args()


# This product's contestants, and PyTorch's by the precision that they compute in.
OURS = {"fp32": ["fp32"], "bf16": ["bf16"], "vulkan": ["fp32", "vulkan"], "cuda": ["fp32", "cuda"]}
TORCH = {
    "fp32": {
        "torch-contiguous": [],
        "torch-channels-last": ["--format", "channels-last"],
        "torch-cuda": ["--device", "cuda"],
        "torch-cuda-channels-last": ["--device", "cuda", "--format", "channels-last"],
    },
    "tf32": {"torch-cuda-tf32": ["--device", "cuda", "--tf32", "--format", "channels-last"]},
    "bf16": {
        "torch-bf16": ["--format", "channels-last", "--precision", "bf16"],
        "torch-bf16-contiguous": ["--precision", "bf16"],
        "torch-cuda-bf16": ["--device", "cuda", "--format", "channels-last", "--precision", "bf16"],
    },
}


def start(name, encoder, size, options):
    shape = [encoder.replace("_", "-"), str(size), str(options.batch)]
    script = [sys.executable, str(HERE / "pytorch_step.py"), encoder, *shape[1:], "--threads", str(options.threads)]
    if name in OURS:
        threads = {"RAYON_NUM_THREADS": str(options.threads)}
        return Peer(name, [options.binary, *shape, *OURS[name]], threads)
    formats = {name: words for family in TORCH.values() for name, words in family.items()}
    return Peer(name, [*script, *formats[name]], {})


def compare(encoder, size, options):
    peers = [start(name, encoder, size, options) for name in options.peers]
    times = {kind: {peer.name: [] for peer in peers} for kind in options.kinds}
    memory = {}
    for kind in options.kinds:
        for turn in range(options.warmup + options.pairs):
            for peer in peers:
                # Threads of the peer before spin for a moment in the hope of more work.
                time.sleep(0.01)
                value = peer.ask(kind)
                if turn >= options.warmup:
                    times[kind][peer.name].append(value)
        for peer in peers:
            memory.setdefault(peer.name, peer.ask("memory"))
    for peer in peers:
        peer.close()
    for kind in options.kinds:
        report(encoder, size, kind, times[kind], memory if kind == options.kinds[0] else None)


def report(encoder, size, kind, times, memory):
    median = {name: statistics.median(values) for name, values in times.items()}
    rounds = [dict(zip(times, values)) for values in zip(*times.values())]

    def ratio(ours, theirs):
        each = [min(round[name] for name in theirs) / round[ours] for round in rounds]
        return f"{statistics.median(each):.2f}"

    cells = [f"{name} {value:.1f} ms" for name, value in median.items()]
    for precision, family in TORCH.items():
        theirs = [name for name in family if name in times]
        if theirs:
            # The faster format over all rounds, not the luckier one in each.
            fastest = [min(theirs, key=median.get)]
            cells += [f"torch {precision} / {ours} = {ratio(ours, fastest)}" for ours in OURS if ours in times]
    print(f"{encoder} {size} {kind}: " + ", ".join(cells), flush=True)
    if memory:
        print(f"{encoder} {size} memory: " + ", ".join(f"{n} {v:.0f} MiB" for n, v in memory.items()), flush=True)


def hardware():
    model = platform.processor()
    with open("/proc/cpuinfo") as cpuinfo:
        lines = cpuinfo.read().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    flags = next((line for line in lines if line.startswith("flags")), "")
    notable = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {f}" in flags]
    return f"{model}, {os.cpu_count()} CPUs, {' '.join(notable)}"


def main():
    options = parse()
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    print(f"hardware: {hardware()}")
    print(f"commit: {commit.stdout.strip()}; load average before: {os.getloadavg()[0]:.2f}")
    print(
        f"batch {options.batch}, {options.threads} threads, {options.pairs} rounds after {options.warmup} of warm-up;"
        f" {time.strftime('%Y-%m-%d %H:%M')}"
    )
    for encoder in options.encoder:
        for size in options.size:
            compare(encoder, size, options)
    print(f"load average after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
