"""Runs LeRobot's ACT once for every line on standard input and answers its time: `myelin bench act` compares with it."""

import sys

import timing

arguments = timing.start()
sys.path.insert(0, arguments.lerobot_src)

from lerobot.policies.act.modeling_act import ACTPolicy  # noqa: E402
from lerobot.policies.factory import make_pre_post_processors  # noqa: E402

started = timing.begin(arguments)
policy = ACTPolicy.from_pretrained(arguments.checkpoint)
policy.eval()
before, after = make_pre_post_processors(policy.config, pretrained_path=arguments.checkpoint)
inputs = timing.SeededInputs(policy.config, arguments.seed)


def infer(_):
    batch = {**inputs.pictures(), "observation.state": inputs.state}
    return after(policy.predict_action_chunk(before(batch))[0])


timing.answer_lines(started, infer)
