#!/usr/bin/env python3
"""IBA nearest-neighbour injection at 2048x1024: Redmask beside numpy and scipy, in one run on one machine.

    python tools/poison_speed.py        # needs numpy, scipy and cargo

The scenes are those of crates/redmask-poison/benches/placement.rs, the rule is the same: the legal centre (a 55-pixel box inside
one class that is not the victim) nearest to a victim pixel, exact Euclidean distance at most 60; paste; relabel. Both use two
workers. Image files are not part of it on either side.
"""
import re
import subprocess
import time
from multiprocessing import Pool

import numpy as np
from scipy import ndimage

H, W, SIDE, UPPER, VICTIM, TARGET = 1024, 2048, 55, 60.0, 3, 0
PATCH = np.zeros((SIDE, SIDE, 3), np.uint8)


def scene(number):
    labels = np.zeros((H, W), np.uint8)
    labels[:300] = 2
    labels[300:550] = 1
    for k in range(12):
        labels[200:620, 90 + 170 * k : 99 + 170 * k] = 4
    for k in range(8):
        place = number * 131 + k * 257
        top, left = 520 + place % 300, place * 7 % 1900
        labels[top : top + 40 + place % 90, left : left + 60 + place % 140] = VICTIM
    return np.full((H, W, 3), 90, np.uint8), labels


def poison(work):
    number, image, labels = work
    # One value in the whole box: its greatest and least label are equal. Both filters are separable, the fastest way in scipy.
    high = ndimage.maximum_filter(labels, SIDE, mode="constant", cval=255)
    low = ndimage.minimum_filter(labels, SIDE, mode="constant", cval=255)
    legal = (high == low) & (labels != VICTIM)
    distance = ndimage.distance_transform_edt(labels != VICTIM)
    masked = np.where(legal & (distance <= UPPER), distance, np.inf)
    ties = np.flatnonzero(masked == masked.min())
    at = np.random.default_rng(number).choice(ties)
    y, x = divmod(int(at), W)
    r = SIDE // 2
    image[y - r : y + r + 1, x - r : x + r + 1] = PATCH
    labels[labels == VICTIM] = TARGET
    return number, y, x, float(distance[y, x])


def numpy_seconds():
    best = float("inf")
    with Pool(2) as pool:
        pool.map(abs, range(8))
        for _ in range(3):
            # Scenes are in the workers already: sending them there by pickling is no part of the rule.
            start = time.perf_counter()
            pool.map(timed, range(8), chunksize=1)
            best = min(best, time.perf_counter() - start)
    return best


SCENES = [scene(k) for k in range(8)]


def timed(k):
    image, labels = SCENES[k]
    poison((k, image.copy(), labels.copy()))


def redmask_seconds():
    command = ["cargo", "bench", "-p", "redmask-poison", "--bench", "placement"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(l for l in text.splitlines() if "iba_nni_8_images" in l)
    fastest, unit = re.search(r"([\d.]+) (ms|s|µs)", line).groups()
    return float(fastest) * {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]


if __name__ == "__main__":
    print("scene 0, row, column, distance:", poison((0, *scene(0)))[1:])
    ours, theirs = redmask_seconds(), numpy_seconds()
    print(f"redmask: {8 / ours:.1f} images/s")
    print(f"numpy + scipy, two processes: {8 / theirs:.1f} images/s")
    print(f"ratio: {theirs / ours:.1f}")
