"""What the scripts that record references share: seeded statistics and observations, and how results are written."""

import json
import math

import seeded
import torch
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature


def built_config(kind, case):
    """A case's configuration of a policy with a ResNet of its own weights."""
    feature = lambda kind, shape: PolicyFeature(type=FeatureType(kind), shape=tuple(shape))  # noqa: E731
    return kind(
        device="cpu",
        pretrained_backbone_weights=None,
        input_features={name: feature(*value) for name, value in case["inputs"].items()},
        output_features={"action": feature("ACTION", [case["action"]])},
        normalization_mapping={key: NormalizationMode(value) for key, value in case["modes"].items()},
        **case["config"],
    )


def statistics(seed, features):
    """Seeded statistics: low < q01 < q10 < mean < q90 < q99 < high for every element."""
    result = {}
    for name, feature in features.items():
        visual = feature.type is FeatureType.VISUAL
        count = 3 if visual else feature.shape[0]
        noise = lambda stat: seeded.uniform(seed, f"{name}.{stat}", count)  # noqa: E731
        centre = 0.45 + 0.05 * noise("mean") if visual else 0.3 * noise("mean")
        spread = 0.25 + 0.05 * noise("std") if visual else 0.6 + 0.3 * noise("std")
        values = {
            "mean": centre,
            "std": spread,
            "min": centre - 3.0 * spread,
            "max": centre + 2.9 * spread,
            "q01": centre - 2.3 * spread,
            "q10": centre - 1.2 * spread,
            "q90": centre + 1.3 * spread,
            "q99": centre + 2.4 * spread,
        }
        shape = (3, 1, 1) if visual else (count,)
        result[name] = {key: torch.tensor(value, dtype=torch.float32).reshape(shape) for key, value in values.items()}
    return result


def observation(case, config, step):
    """What the robot sees at a step, before processors, under the names of the recording."""
    names = {new: old for old, new in case.get("rename", {}).items()}
    batch = {}
    for name, feature in config.input_features.items():
        source = names.get(name, name)
        if feature.type is FeatureType.VISUAL:
            _, height, width = feature.shape
            pixels = seeded.picture(case["seed"], f"{source}@{step}", height, width)
            batch[source] = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        else:
            values = seeded.uniform(case["seed"], f"{source}@{step}", feature.shape[0])
            batch[source] = torch.tensor(values, dtype=torch.float32)
    # LeRobot reads the state's device even when the policy takes no state; a robot always sends one.
    batch.setdefault("observation.state", torch.zeros(1))
    return batch


def run_observation(case, config, run):
    """The same for a run of a policy that takes words: without the cameras that are absent."""
    batch = {"task": run["task"]}
    for name, feature in config.input_features.items():
        if "empty_camera" in name or name in run.get("absent", []):
            continue
        if feature.type is FeatureType.VISUAL:
            _, height, width = feature.shape
            pixels = seeded.picture(case["seed"], f"{name}@{run['step']}", height, width)
            batch[name] = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        else:
            values = seeded.uniform(case["seed"], f"{name}@{run['step']}", feature.shape[0])
            batch[name] = torch.tensor(values, dtype=torch.float32)
    return batch


def noise_of(case, run):
    """The noise that a flow begins with."""
    config = case["config"]
    shape = (1, config["chunk_size"], config["max_action_dim"])
    values = 2 * seeded.uniform(case["seed"], f"noise@{run['step']}", math.prod(shape))
    return torch.tensor(values, dtype=torch.float32).reshape(shape)


def rounded(rows):
    """Nine digits, more than float32 has."""
    return [[float(f"{value:.9g}") for value in row] for row in rows]


def empty_folder(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    return folder


def tell(name, chunk, steps):
    """Says what was recorded: a spread of nothing would prove nothing."""
    assert all(math.isfinite(value) for row in steps + chunk for value in row)
    spread = torch.tensor(steps).std(0).mean()
    print(f"{name:24} chunk {len(chunk)}x{len(chunk[0])}, steps {len(steps)}, spread {spread:.3f}")


def write(folder, reference):
    """Writes reference.json, its tables of numbers rounded."""
    short = {key: rounded(value) if isinstance(value, list) else value for key, value in reference.items()}
    (folder / "reference.json").write_text(json.dumps(short, separators=(",", ":")))
