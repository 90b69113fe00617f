"""Makes LeRobot 0.6 importable, one policy at a time, on Python 3.11.

It is written for 3.12 and its package imports every policy. Here the 3.12 syntax on the way is read in
their 3.11 spelling, and packages of policies do not run their `__init__`; every module that runs is LeRobot's own.
"""

import importlib.machinery
import pathlib
import re
import sys
import types

OLDER_SPELLING = {
    "processor/pipeline.py": [
        (
            b"@dataclass\nclass DataProcessorPipeline[TInput, TOutput](HubMixin):",
            b"import typing\nTInput = typing.TypeVar('TInput')\nTOutput = typing.TypeVar('TOutput')\n"
            b"@dataclass\nclass DataProcessorPipeline(HubMixin, typing.Generic[TInput, TOutput]):",
        )
    ],
    "utils/io_utils.py": [
        (
            b"def deserialize_json_into_object[T: JsonLike](fpath: Path, obj: T) -> T:",
            b"def deserialize_json_into_object(fpath, obj):",
        )
    ],
}


def install(source: str, policies: list[str]) -> None:
    """`source` is LeRobot's src folder; `policies` are the packages under lerobot.policies that will be imported."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, source)
    root = pathlib.Path(source) / "lerobot"
    read = importlib.machinery.SourceFileLoader.get_data

    def get_data(self, path):
        data = read(self, path)
        if path.startswith(str(root)) and path.endswith(".py"):
            data = re.sub(rb"^type (\w+) = ", rb"\1 = ", data, flags=re.MULTILINE)
        for name, replacements in OLDER_SPELLING.items():
            if path == str(root / name):
                for newer, older in replacements:
                    assert newer in data, f"{path} has changed"
                    data = data.replace(newer, older)
        return data

    importlib.machinery.SourceFileLoader.get_data = get_data
    for name in ["", *policies]:
        full = f"lerobot.policies.{name}".rstrip(".")
        package = types.ModuleType(full)
        package.__path__ = [str(root / "policies" / name)]
        sys.modules[full] = package
