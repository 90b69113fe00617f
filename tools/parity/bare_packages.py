"""Makes one policy of LeRobot importable without the others, whose dependencies may be absent or too new."""

import pathlib
import sys
import types


def install(source: str, *policies: str) -> None:
    """`source` is LeRobot's src folder. The packages of these policies do not run their `__init__`."""
    sys.path.insert(0, source)
    for name in ["lerobot.policies", *(f"lerobot.policies.{policy}" for policy in policies)]:
        package = types.ModuleType(name)
        package.__path__ = [str(pathlib.Path(source, *name.split(".")))]
        sys.modules[name] = package
