"""Records what LeRobot's own ACT answers for seeded checkpoints. See README.md beside this file."""

import argparse
import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--lerobot-src", required=True, help="LeRobot's src folder")
arguments.add_argument("--legacy", action="store_true", help="the cases whose statistics lie in the model's file")
arguments.add_argument("--only", help="one case by name")
options = arguments.parse_args()
sys.path[:0] = [options.lerobot_src, str(HERE)]

from torchvision_cpu import declare_operators  # noqa: E402

declare_operators()

import seeded  # noqa: E402
import torch  # noqa: E402
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature  # noqa: E402
from lerobot.policies.act.configuration_act import ACTConfig  # noqa: E402
from lerobot.policies.act.modeling_act import ACTPolicy  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.manual_seed(0)
torch.set_grad_enabled(False)


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


def build_config(case):
    feature = lambda kind, shape: PolicyFeature(type=FeatureType(kind), shape=tuple(shape))  # noqa: E731
    return ACTConfig(
        device="cpu",
        pretrained_backbone_weights=None,
        input_features={name: feature(*value) for name, value in case["inputs"].items()},
        output_features={"action": feature("ACTION", [case["action"]])},
        normalization_mapping={key: NormalizationMode(value) for key, value in case["modes"].items()},
        **case["config"],
    )


def fill(policy, seed):
    """Replaces every weight by its seeded one; statistics stay."""
    for name, tensor in policy.state_dict().items():
        if not name.startswith("model."):
            continue
        tensor.copy_(torch.from_numpy(seeded.seeded_tensor(seed, name, tuple(tensor.shape))))


def record(case):
    folder = HERE / "fixtures" / case["name"]
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    config = build_config(case)
    stats = statistics(case["seed"], {**config.input_features, **config.output_features})
    if options.legacy:
        policy = ACTPolicy(config, dataset_stats=stats)
        buffers = {k: v.clone() for k, v in policy.state_dict().items() if not k.startswith("model.")}
        save_file(buffers, folder / "buffers.safetensors")
        before = lambda batch: {key: value.unsqueeze(0) for key, value in batch.items()}  # noqa: E731
        after = lambda action: action  # noqa: E731
    else:
        from lerobot.policies.act.processor_act import make_act_pre_post_processors

        policy = ACTPolicy(config)
        before, after = make_act_pre_post_processors(config, stats)
        if case.get("rename"):
            before.steps[0].rename_map = case["rename"]
        before.save_pretrained(folder, config_filename="policy_preprocessor.json")
        after.save_pretrained(folder, config_filename="policy_postprocessor.json")
    config._save_pretrained(folder)
    fill(policy, case["seed"])
    policy.eval()

    steps = []
    policy.reset()
    for step in range(case["steps"]):
        batch = before(observation(case, config, step))
        steps.append(after(policy.select_action(batch))[0].tolist())
    policy.reset()
    batch = before(observation(case, config, 0))
    if options.legacy:
        # At that version the chunk's normalisation happened inside these two methods.
        chunk = policy.predict_action_chunk(batch)[0].tolist()
    else:
        chunk = [after(row.unsqueeze(0))[0].tolist() for row in policy.predict_action_chunk(batch)[0]]
    rounded = lambda rows: [[float(f"{value:.9g}") for value in row] for row in rows]  # noqa: E731
    flat = torch.tensor(steps)
    print(f"{case['name']:24} chunk {len(chunk)}x{len(chunk[0])}, steps {len(steps)}, spread {flat.std(0).mean():.3f}")
    assert all(math.isfinite(value) for row in steps for value in row)
    reference = {"seed": case["seed"], "rename": case.get("rename", {}), "chunk": rounded(chunk), "steps": rounded(steps)}
    (folder / "reference.json").write_text(json.dumps(reference, separators=(",", ":")))


SMALL = dict(dim_model=32, n_heads=4, dim_feedforward=48, n_encoder_layers=2, latent_dim=8, n_vae_encoder_layers=1)
MEAN_STD = {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
WRIST = "observation.images.wrist"
EXTERNAL = "observation.images.external"
STATE = "observation.state"


def case(name, seed, inputs, modes=MEAN_STD, steps=6, action=7, rename=None, **config):
    settings = {**SMALL, "chunk_size": 8, "n_action_steps": 3, **config}
    return {"name": name, "seed": seed, "inputs": inputs, "modes": modes, "steps": steps, "action": action,
            "rename": rename or {}, "config": settings}  # fmt: skip


CASES = [
    case("one-camera", 11, {STATE: ("STATE", [7]), WRIST: ("VISUAL", [3, 48, 64])}),
    case("two-cameras", 12, {EXTERNAL: ("VISUAL", [3, 64, 96]), STATE: ("STATE", [7]), WRIST: ("VISUAL", [3, 64, 96])},
         modes={"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"}, n_decoder_layers=2),
    case("two-sizes-renamed", 13, {WRIST: ("VISUAL", [3, 70, 90]), STATE: ("STATE", [6]), EXTERNAL: ("VISUAL", [3, 33, 65])},
         modes={"VISUAL": "IDENTITY", "STATE": "QUANTILES", "ACTION": "QUANTILES"}, action=6,
         rename={"observation.images.hand": WRIST}),
    case("environment-only", 14, {"observation.environment_state": ("ENV", [14]), STATE: ("STATE", [7])},
         modes={"STATE": "QUANTILE10", "ENV": "MIN_MAX", "ACTION": "QUANTILE10"}),
    case("camera-and-environment", 15,
         {STATE: ("STATE", [7]), "observation.environment_state": ("ENV", [7]), WRIST: ("VISUAL", [3, 32, 32])},
         modes={"VISUAL": "MIN_MAX", "STATE": "IDENTITY", "ACTION": "IDENTITY"}),
    case("pre-norm-gelu-no-vae", 16, {STATE: ("STATE", [7]), WRIST: ("VISUAL", [3, 48, 48])},
         pre_norm=True, feedforward_activation="gelu", use_vae=False, vision_backbone="resnet34", n_decoder_layers=2),
    case("no-state", 17, {WRIST: ("VISUAL", [3, 40, 56])}),
    case("dilated-bottleneck", 18, {STATE: ("STATE", [7]), WRIST: ("VISUAL", [3, 64, 64])},
         vision_backbone="resnet50", replace_final_stride_with_dilation=True, steps=3),
    case("temporal-ensemble", 19, {STATE: ("STATE", [7]), WRIST: ("VISUAL", [3, 32, 32])},
         n_action_steps=1, temporal_ensemble_coeff=0.01, steps=30),
    case("temporal-ensemble-newest", 20, {STATE: ("STATE", [7]), "observation.environment_state": ("ENV", [7])},
         n_action_steps=1, temporal_ensemble_coeff=-0.4, steps=30),
    case("queue", 21, {STATE: ("STATE", [7]), "observation.environment_state": ("ENV", [7])},
         chunk_size=10, n_action_steps=10, steps=35),
]  # fmt: skip
LEGACY = [
    case("legacy", 31, {STATE: ("STATE", [7]), WRIST: ("VISUAL", [3, 48, 64])}),
    case("legacy-min-max", 32, {STATE: ("STATE", [6]), WRIST: ("VISUAL", [3, 32, 32]), EXTERNAL: ("VISUAL", [3, 32, 32])},
         modes={"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"}, action=6),
]  # fmt: skip

for chosen in LEGACY if options.legacy else CASES:
    if options.only in (None, chosen["name"]):
        record(chosen)
