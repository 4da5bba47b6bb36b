"""One training step or one inference of a segmentation-models-pytorch U-Net, on request.

    python tools/peers/pytorch_step.py ENCODER SIZE BATCH --format channels-last --precision fp32

Reads commands from standard input, one a line, and answers each with one line:

    step     forward, Dice loss, backward, NAdam: milliseconds
    gradient the same without the optimizer: milliseconds
    infer    forward in evaluation mode: milliseconds
    memory   peak resident memory of this process so far: MiB

`compare_step.py` alternates it with the product's own `examples/step_peer.rs`, which speaks the same.
Needs torch and segmentation-models-pytorch; nothing is downloaded.
"""

import argparse
import os
import sys
import time


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", choices=["resnet34", "mobilenet_v2", "vgg11"])
    parser.add_argument("size", type=int)
    parser.add_argument("batch", type=int)
    parser.add_argument("--format", choices=["contiguous", "channels-last"], default="contiguous")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16: torch.autocast")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tf32", action="store_true", help="let the GPU round the inputs of fp32 products to tf32")
    return parser.parse_args()


def peak_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main():
    options = parse()
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    import segmentation_models_pytorch as smp
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if options.format == "channels-last" else torch.contiguous_format
    device = torch.device(options.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.tf32
    torch.backends.cudnn.benchmark = True
    network = smp.Unet(options.encoder, encoder_weights=None, classes=1).to(device, memory_format=layout)
    x = torch.randn(options.batch, 3, options.size, options.size, device=device).to(memory_format=layout)
    target = (x[:, :1] > 0).float()
    loss_of = smp.losses.DiceLoss("binary", from_logits=True)
    optimizer = torch.optim.NAdam(network.parameters(), lr=1e-4)
    bf16 = options.precision == "bf16"

    def gradient():
        network.train()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            logits = network(x)
        loss_of(logits.float(), target).backward()

    def step():
        gradient()
        optimizer.step()

    def infer():
        network.eval()
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            network(x)

    commands = {"step": step, "gradient": gradient, "infer": infer}
    for line in sys.stdin:
        command = line.strip()
        if command == "memory":
            print(f"{peak_memory():.1f}", flush=True)
            continue
        start = time.perf_counter()
        commands[command]()
        if device.type == "cuda":
            torch.cuda.synchronize()
        print(f"{(time.perf_counter() - start) * 1e3:.3f}", flush=True)


if __name__ == "__main__":
    main()
