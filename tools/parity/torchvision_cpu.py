"""Lets PyPI's torchvision import beside a CPU build of PyTorch.

Its compiled operators (nms and the like) need CUDA and stay unavailable; only their names are declared, which the
import checks. The models, written in Python, are untouched.
"""

import importlib.util
import pathlib
import re

from torch import library

_declared = None


def declare_operators() -> None:
    global _declared
    if _declared is not None:
        return
    folder = importlib.util.find_spec("torchvision").submodule_search_locations[0]
    source = pathlib.Path(folder, "_meta_registrations.py").read_text()
    names = {a or b for a, b in re.findall(r'register_fake\("torchvision::(\w+)"|register_meta\("(\w+)"', source)}
    _declared = library.Library("torchvision", "DEF")
    for name in names:
        _declared.define(f"{name}(Tensor input) -> Tensor")
