"""Records what LeRobot's own ACT answers for seeded checkpoints. See README.md beside this file."""

import pathlib
import sys

import command_line

HERE = pathlib.Path(__file__).resolve().parent
options = command_line.read(__doc__, "LeRobot 0.4.4, or 0.3.3 with --legacy", legacy=True)
sys.path.insert(0, options.lerobot_src)

import recording  # noqa: E402
import seeded  # noqa: E402
import torch  # noqa: E402
from lerobot.policies.act.configuration_act import ACTConfig  # noqa: E402
from lerobot.policies.act.modeling_act import ACTPolicy  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.manual_seed(0)
torch.set_grad_enabled(False)


def fill(policy, seed):
    """Replaces every weight by its seeded one; statistics stay."""
    for name, tensor in policy.state_dict().items():
        if not name.startswith("model."):
            continue
        tensor.copy_(torch.from_numpy(seeded.seeded_tensor(seed, name, tuple(tensor.shape))))


def record(case):
    folder = recording.empty_folder(HERE / "fixtures" / "act" / case["name"])
    config = recording.built_config(ACTConfig, case)
    stats = recording.statistics(case["seed"], {**config.input_features, **config.output_features})
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
        batch = before(recording.observation(case, config, step))
        steps.append(after(policy.select_action(batch))[0].tolist())
    policy.reset()
    batch = before(recording.observation(case, config, 0))
    if options.legacy:
        # At that version the chunk's normalisation happened inside these two methods.
        chunk = policy.predict_action_chunk(batch)[0].tolist()
    else:
        chunk = [after(row.unsqueeze(0))[0].tolist() for row in policy.predict_action_chunk(batch)[0]]
    recording.tell(case["name"], chunk, steps)
    recording.write(folder, {"seed": case["seed"], "rename": case.get("rename", {}), "chunk": chunk, "steps": steps})


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
