"""Noise from a seed in place of PyTorch's, so that both sides denoise the same."""

import math

import seeded
import torch


class SeededNoise:
    """Stands in for torch.randn, from which LeRobot draws the first noise and diffusers that of each step."""

    def __init__(self, seed):
        self.seed = seed
        self.real = torch.randn

    def at(self, timestep):
        """Noise of one inference, drawn piece by piece: unit variance, uniform, as long as it is asked for."""
        self.name, self.drawn = f"noise@{timestep}", 0

    def __call__(self, *size, **settings):
        shape = tuple(settings.get("size") or (size[0] if len(size) == 1 else size))
        count = math.prod(shape)
        values = seeded.uniform(self.seed, self.name, self.drawn + count)[self.drawn :]
        self.drawn += count
        return torch.tensor(values * math.sqrt(3), dtype=torch.float32).reshape(shape)

    def __enter__(self):
        torch.randn = self

    def __exit__(self, *_):
        torch.randn = self.real
