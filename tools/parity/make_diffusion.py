"""Records what LeRobot's own diffusion policy answers for seeded checkpoints. See README.md beside this file."""

import pathlib

import bare_packages
import command_line

HERE = pathlib.Path(__file__).resolve().parent
options = command_line.read(__doc__, "LeRobot 0.4.4, or 0.3.3 with --legacy", legacy=True)
bare_packages.install(options.lerobot_src, "diffusion")

import recording  # noqa: E402
import seeded  # noqa: E402
import seeded_noise  # noqa: E402
import torch  # noqa: E402
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig  # noqa: E402
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.manual_seed(0)
torch.set_grad_enabled(False)


def fill(policy, seed):
    """Replaces every weight, the grid of the keypoints included, by its seeded one; statistics stay."""
    for name, tensor in policy.state_dict().items():
        if name.startswith("diffusion.") and tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(seeded.seeded_tensor(seed, name, tuple(tensor.shape))))


def select(policy, before, noise, case, step):
    noise.at(step)
    return policy.select_action(before(recording.observation(case, policy.config, step)))


def record(case):
    folder = recording.empty_folder(HERE / "fixtures" / "diffusion" / case["name"])
    config = recording.built_config(DiffusionConfig, case)
    stats = recording.statistics(case["seed"], {**config.input_features, **config.output_features})
    if options.legacy:
        policy = DiffusionPolicy(config, dataset_stats=stats)
        buffers = {k: v.clone() for k, v in policy.state_dict().items() if not k.startswith("diffusion.")}
        save_file(buffers, folder / "buffers.safetensors")
        before = lambda batch: {key: value.unsqueeze(0) for key, value in batch.items()}  # noqa: E731
        after = lambda action: action  # noqa: E731
    else:
        from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors

        policy = DiffusionPolicy(config)
        before, after = make_diffusion_pre_post_processors(config, stats)
        before.save_pretrained(folder, config_filename="policy_preprocessor.json")
        after.save_pretrained(folder, config_filename="policy_postprocessor.json")
    config._save_pretrained(folder)
    fill(policy, case["seed"])
    policy.eval()

    noise = seeded_noise.SeededNoise(case["seed"])
    with noise:
        policy.reset()
        steps = [after(select(policy, before, noise, case, step))[0].tolist() for step in range(case["steps"])]
        # Every row from the present on: as many as a chunk could have.
        config.n_action_steps = config.horizon - config.n_obs_steps + 1
        policy.reset()
        first = select(policy, before, noise, case, 0)
        chunk = [after(row)[0].tolist() for row in [first, *policy._queues["action"]]]
    recording.tell(case["name"], chunk, steps)
    recording.write(folder, {"seed": case["seed"], "chunk": chunk, "steps": steps})


SMALL = dict(
    n_obs_steps=2, horizon=8, n_action_steps=4, down_dims=(16, 32), diffusion_step_embed_dim=16, n_groups=4,
    kernel_size=3, spatial_softmax_num_keypoints=6, num_inference_steps=10, crop_shape=None,
)  # fmt: skip
MODES = {"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ENV": "MIN_MAX", "ACTION": "MIN_MAX"}
WRIST = "observation.images.wrist"
EXTERNAL = "observation.images.external"
STATE = "observation.state"
ENVIRONMENT = "observation.environment_state"
SEVEN = {STATE: ("STATE", [7])}
SCENE = {**SEVEN, ENVIRONMENT: ("ENV", [7])}


def camera(*names, height=48, width=64):
    return {**SEVEN, **{name: ("VISUAL", [3, height, width]) for name in names}}


def case(name, seed, inputs, modes=MODES, steps=6, action=7, **config):
    return {"name": name, "seed": seed, "inputs": inputs, "modes": modes, "steps": steps, "action": action,
            "config": {**SMALL, **config}}  # fmt: skip


CASES = [
    case("environment", 51, SCENE, steps=9),
    case("environment-every-step", 52, SCENE, num_inference_steps=None, num_train_timesteps=50, steps=5),
    case("one-observation", 53, SCENE, n_obs_steps=1, horizon=16, down_dims=(16, 24, 32), kernel_size=5, n_groups=8),
    case("three-observations", 54, {ENVIRONMENT: ("ENV", [14]), STATE: ("STATE", [6])}, n_obs_steps=3,
         n_action_steps=2, steps=7, action=6),
    case("bias-only-film", 55, SCENE, use_film_scale_modulation=False, down_dims=(32,), horizon=6, n_action_steps=5),
    case("predicts-sample", 56, SCENE, prediction_type="sample", beta_schedule="linear", clip_sample=False),
    case("ddim", 57, SCENE, noise_scheduler_type="DDIM", num_inference_steps=7),
    case("ddim-predicts-sample", 58, SCENE, noise_scheduler_type="DDIM", prediction_type="sample",
         beta_schedule="scaled_linear", beta_start=0.001, beta_end=0.03, num_train_timesteps=60),
    case("unclipped-linear", 59, SCENE, clip_sample=False, beta_schedule="linear", num_inference_steps=9),
    case("wide-clip", 60, SCENE, clip_sample_range=1.7, beta_schedule="scaled_linear",
         modes={"STATE": "MEAN_STD", "ENV": "IDENTITY", "ACTION": "MEAN_STD"}),
    case("one-camera", 61, camera(WRIST)),
    case("crop", 62, camera(WRIST, height=53, width=71), crop_shape=(40, 50), n_obs_steps=1),
    case("resize-and-crop", 63, camera(EXTERNAL, WRIST, height=67, width=90), resize_shape=(48, 56), crop_ratio=0.9,
         modes={**MODES, "VISUAL": "IDENTITY"}, noise_scheduler_type="DDIM"),
    case("enlarge", 64, camera(WRIST, height=33, width=40), resize_shape=(64, 48)),
    case("batch-norm", 65, camera(EXTERNAL, WRIST), use_group_norm=False, use_separate_rgb_encoder_per_camera=True),
    case("separate-encoders", 66, {**camera(WRIST, EXTERNAL), **SCENE}, use_separate_rgb_encoder_per_camera=True,
         n_obs_steps=3, n_action_steps=3),
    case("shared-resnet34", 67, camera(WRIST, EXTERNAL), vision_backbone="resnet34", steps=3),
    case("bottleneck", 68, camera(WRIST), vision_backbone="resnet50", use_group_norm=False, steps=3),
]  # fmt: skip
LEGACY = [
    case("legacy", 81, camera(WRIST, height=32, width=48), crop_shape=(28, 42)),
    case("legacy-environment", 82, SCENE, noise_scheduler_type="DDIM"),
]

for chosen in LEGACY if options.legacy else CASES:
    if options.only in (None, chosen["name"]):
        record(chosen)
