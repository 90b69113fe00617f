"""Runs LeRobot's pi0.5 in float32 once for every line on standard input and answers its time: `myelin bench pi05`
compares with it. The noise is seeded; the words come as tokens, so that no tokenizer is needed. Takes LeRobot 0.6.

Weights are filled in tensor by tensor, without first drawing random ones: LeRobot's own loader holds them twice, which
does not fit into 24 GiB."""

import timing

arguments = timing.start()

import lerobot_newer  # noqa: E402

lerobot_newer.install(arguments.lerobot_src, ["pi05", "rtc"])

import torch  # noqa: E402
from lerobot.policies.pi05.configuration_pi05 import PI05Config  # noqa: E402
from lerobot.policies.pi05.modeling_pi05 import PI05Policy  # noqa: E402
from safetensors import safe_open  # noqa: E402
from transformers import initialization  # noqa: E402

started = timing.begin(arguments)
config = timing.read_config(arguments.checkpoint, PI05Config, ["image_resolution"], dtype="float32")
keep = lambda tensor, *_, **__: tensor  # noqa: E731
for name in ("uniform_", "normal_", "kaiming_uniform_", "xavier_uniform_", "trunc_normal_"):
    setattr(torch.nn.init, name, keep)
with initialization.no_init_weights():
    policy = PI05Policy(config)
own = policy.state_dict()
tower = "vision_tower."
left = set(own)
with safe_open(f"{arguments.checkpoint}/model.safetensors", framework="pt") as file:
    for name in file.keys():  # noqa: SIM118
        there = name if name in own else name.replace(tower, f"{tower}vision_model.")
        own[there].copy_(file.get_tensor(name))
        left.discard(there)
# Heads that acting does not use, one of them tied to the embedding.
unused = ("lm_head", "embed_tokens")
assert all(name.endswith("norm.weight") or any(word in name for word in unused) for name in left), sorted(left)[:9]
policy.eval()
inputs = timing.SeededInputs(config, arguments.seed)
noise = timing.flow_noise(config, arguments.seed)


def infer(_):
    return policy.predict_action_chunk(timing.word_batch(inputs, arguments.tokens), noise=noise)[0]


timing.answer_lines(started, infer)
