"""Weights and observations from a seed, bit for bit as `src/policies/seeded-tensor.ts` makes them."""

import math
import re

import numpy as np


def fnv1a(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def mix32(value: np.ndarray) -> np.ndarray:
    """Mixes 32-bit numbers held in a uint64 array."""
    x = value & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def stream_of(seed: int, name: str) -> int:
    mixed_seed = int(mix32(np.array([seed], dtype=np.uint64))[0])
    return int(mix32(np.array([fnv1a(name) ^ mixed_seed], dtype=np.uint64))[0])


def hashes(seed: int, name: str, count: int) -> np.ndarray:
    index = np.arange(count, dtype=np.uint64)
    step = (index * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)
    return mix32(step + np.uint64(stream_of(seed, name)))


def uniform(seed: int, name: str, count: int) -> np.ndarray:
    """Uniform in [-1, 1), float64, exact in float32."""
    return (hashes(seed, name, count) >> np.uint64(8)).astype(np.float64) / 2**23 - 1


def seeded_range(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Centre and spread of a tensor's values."""
    if name.endswith("running_var"):
        return 1, 0.5
    if name.endswith("running_mean"):
        return 0, 0.1
    if re.search(r"(language_model|gemma_expert)\..*norm\.weight$", name):
        return 0, 0.2
    if len(shape) == 1:
        return (1, 0.2) if name.endswith("weight") else (0, 0.1)
    if name.endswith("language_model.embed_tokens.weight"):
        return 0, math.sqrt(3 / shape[1]) / 8
    if "embed" in name:
        return 0, 1
    return 0, math.sqrt(3 / math.prod(shape[1:]))


def seeded_tensor(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    centre, spread = seeded_range(name, shape)
    return (centre + spread * uniform(seed, name, math.prod(shape))).astype(np.float32).reshape(shape)


def picture(seed: int, name: str, height: int, width: int) -> np.ndarray:
    """RGB bytes [height, width, 3]: a smooth pattern under noise, so that a network sees more than noise."""
    count = height * width * 3
    noise = (hashes(seed, name, count) >> np.uint64(25)).astype(np.int64)
    index = np.arange(count, dtype=np.int64)
    row, column, channel = index // (3 * width), index // 3 % width, index % 3
    shade = (row * (3 + channel) + column * (5 - channel) + int(hashes(seed, name, 1)[0]) % 97) % 128
    return (shade + noise).astype(np.uint8).reshape(height, width, 3)
