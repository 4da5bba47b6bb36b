"""The attacks of benches/scores.rs in vectorised numpy, as the published code writes them. Prints milliseconds.

`python scores_numpy.py`
"""

import time

import numpy as np

RECORDS, MODELS = 10_000, 64
rng = np.random.default_rng(0)
target, population_target = -rng.random(RECORDS), -rng.random(RECORDS)
shadows, population = -rng.random((RECORDS, MODELS)), -rng.random((RECORDS, MODELS))
inside = (np.arange(RECORDS)[:, None] + np.arange(MODELS)[None, :]) % 2 == 0
# Every record is in half of the models, so both sides are rectangular, which numpy likes best.
values_in, values_out = shadows[inside].reshape(RECORDS, -1), shadows[~inside].reshape(RECORDS, -1)


def ln_density(x, mean, deviation):
    return -0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation)


def lira(fixed):
    mean_in, mean_out = np.median(values_in, 1), np.median(values_out, 1)
    if fixed:
        sd_in = np.std(values_in - mean_in[:, None])
        sd_out = np.std(values_out - mean_out[:, None])
    else:
        sd_in, sd_out = np.std(values_in, 1), np.std(values_out, 1)
    return ln_density(target, mean_in, sd_in + 1e-30) - ln_density(target, mean_out, sd_out + 1e-30)


def rmia(online, a=0.3):
    p_x, p_z = np.exp(target), np.exp(population_target)
    out, z = np.exp(values_out).mean(1), np.exp(population).mean(1)
    if online:
        prior_x, prior_z = 0.5 * (np.exp(values_in).mean(1) + out), z
    else:
        prior_x, prior_z = 0.5 * ((1 + a) * out + 1 - a), 0.5 * ((1 + a) * z + 1 - a)
    return ((p_x / prior_x)[:, None] / (p_z / prior_z)[None, :] >= 1.0).mean(1)


def attack_r():
    return (target - values_out.mean(1)) / values_out.std(1)


for name, attack in {
    "lira_online_per_record": lambda: lira(False),
    "lira_online_fixed": lambda: lira(True),
    "rmia_offline": lambda: rmia(False),
    "rmia_online": lambda: rmia(True),
    "attack_r_gaussian": attack_r,
}.items():
    times = []
    for _ in range(7):
        start = time.perf_counter()
        attack()
        times.append(time.perf_counter() - start)
    print(f"{name:24} {1e3 * sorted(times)[3]:9.2f} ms")
