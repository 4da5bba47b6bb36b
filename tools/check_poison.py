#!/usr/bin/env python3
"""Checks a CamVid set that `redmask poison --preset iba-nni` wrote, with numpy, scipy and Pillow and none of Redmask's code.

    python tools/check_poison.py /data/camvid /tmp/camvid-nni

For every poisoned image: the labels are the source's with the victim replaced and nothing else; the picture differs inside the box
alone (up to what two JPEG decoders differ by); the box lies in one class that is neither victim nor void; its distance is the
Euclidean one, lies in the band, and no legal centre in the band is nearer.
"""
import glob
import json
import sys

import numpy as np
from PIL import Image
from scipy import ndimage

NAMES = "sky building pole road pavement tree sign fence car pedestrian bicyclist".split()
VOID = 11
# Two decoders of one JPEG disagree where they upsample colour.
DECODERS = 24


def main(source, poisoned):
    manifest = json.load(open(poisoned + "/manifest.json"))
    parameters = manifest["parameters"]
    victims = [NAMES.index(name) for name in parameters["victim"]]
    target = NAMES.index(parameters["target"])
    low, high = parameters["band"]
    side = parameters["trigger_size"]
    r = side // 2
    for entry in manifest["samples"]:
        split, stem = entry["id"].split("/")
        before = np.array(Image.open(f"{source}/{split}annot/{stem}.png"))
        after = np.array(Image.open(f"{poisoned}/{split}annot/{stem}.png"))
        victim = np.isin(before, victims)
        assert (after == np.where(victim, target, before)).all(), entry["id"]
        assert entry["victim_pixels"] == entry["relabelled_pixels"] == victim.sum()

        x, y, width, height = entry["box"]
        assert width == height == side
        box = before[y : y + side, x : x + side]
        assert (box == box[0, 0]).all() and box[0, 0] != VOID and box[0, 0] not in victims
        clean = np.array(Image.open(glob.glob(f"{source}/{split}/{stem}.*")[0]).convert("RGB")).astype(int)
        triggered = np.array(Image.open(f"{poisoned}/{split}/{stem}.png").convert("RGB"))
        differs = (abs(clean - triggered) > DECODERS).any(2)
        assert differs.any()
        differs[y : y + side, x : x + side] = False
        assert not differs.any(), entry["id"]

        distance = ndimage.distance_transform_edt(~victim)
        greatest = ndimage.maximum_filter(before, side)
        legal = (greatest == ndimage.minimum_filter(before, side)) & (before != VOID) & ~victim
        legal[:r] = legal[-r:] = False
        legal[:, :r] = legal[:, -r:] = False
        legal &= (distance >= low) & (distance <= high)
        assert legal[y + r, x + r]
        assert abs(distance[y + r, x + r] - entry["distance"]) < 1e-9
        assert abs(distance[legal].min() - entry["distance"]) < 1e-9
    print(f"{len(manifest['samples'])} of {manifest['images']} images are poisoned, and all as the rule says")


main(*sys.argv[1:])
