"""Runs LeRobot's diffusion policy once for every line on standard input and answers its times.

A line is a number of denoising steps. `myelin bench diffusion` compares with it.
"""

import timing

arguments = timing.start()

import bare_packages  # noqa: E402

bare_packages.install(arguments.lerobot_src, "diffusion")

import seeded_noise  # noqa: E402
import torch  # noqa: E402
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy  # noqa: E402
from lerobot.processor import PolicyProcessorPipeline  # noqa: E402
from lerobot.processor import converters  # noqa: E402

started = timing.begin(arguments)
policy = DiffusionPolicy.from_pretrained(arguments.checkpoint)
policy.eval()
before = PolicyProcessorPipeline.from_pretrained(
    arguments.checkpoint, config_filename="policy_preprocessor.json"
)
after = PolicyProcessorPipeline.from_pretrained(
    arguments.checkpoint,
    config_filename="policy_postprocessor.json",
    to_transition=converters.policy_action_to_transition,
    to_output=converters.transition_to_policy_action,
)
inputs = timing.SeededInputs(policy.config, arguments.seed)
noise = seeded_noise.SeededNoise(arguments.seed)


def infer(line):
    """The first chunk of an episode, every row from the present on."""
    policy.diffusion.num_inference_steps = int(line or policy.config.num_inference_steps)
    policy.config.n_action_steps = policy.config.horizon - policy.config.n_obs_steps + 1
    policy.reset()
    noise.at(0)
    batch = {**inputs.pictures(), "observation.state": inputs.state}
    with noise:
        first = policy.select_action(before(batch))
    return torch.stack([after(row)[0] for row in [first, *policy._queues["action"]]])


timing.answer_lines(started, infer)
