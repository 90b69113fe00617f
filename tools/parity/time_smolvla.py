"""Runs LeRobot's SmolVLA once for every line on standard input and answers its time: `myelin bench smolvla` compares
with it. The noise is seeded; the words come as tokens, so that no tokenizer is needed. Takes LeRobot 0.6."""

import types

import timing

arguments = timing.start()

import lerobot_newer  # noqa: E402

lerobot_newer.install(arguments.lerobot_src, ["smolvla", "rtc"])

from lerobot.policies.smolvla import smolvlm_with_expert  # noqa: E402
from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig  # noqa: E402
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import SmolVLMConfig  # noqa: E402

started = timing.begin(arguments)

# SmolVLM2-500M, which LeRobot asks the Hub for.
text = dict(
    model_type="llama", hidden_size=960, num_attention_heads=15, num_key_value_heads=5, head_dim=64, intermediate_size=2560,
    num_hidden_layers=16, vocab_size=49280, rms_norm_eps=1e-5, hidden_act="silu", attention_bias=False, pad_token_id=2,
)  # fmt: skip
vision = dict(
    hidden_size=768, num_attention_heads=12, num_hidden_layers=12, intermediate_size=3072, patch_size=16, image_size=512,
    hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6,
)  # fmt: skip
vlm = SmolVLMConfig(text_config=text, vision_config=vision, scale_factor=4)
processor = types.SimpleNamespace(tokenizer=types.SimpleNamespace(fake_image_token_id=0, global_image_token_id=1))
loading = lambda answer: types.SimpleNamespace(from_pretrained=lambda *_, **__: answer)  # noqa: E731
smolvlm_with_expert.AutoConfig, smolvlm_with_expert.AutoProcessor = loading(vlm), loading(processor)

config = timing.read_config(arguments.checkpoint, SmolVLAConfig, ["resize_imgs_with_padding"])
policy = SmolVLAPolicy(config)
weights = load_file(f"{arguments.checkpoint}/model.safetensors")
policy.load_state_dict({key: value.float() for key, value in weights.items()})
policy.eval()
inputs = timing.SeededInputs(config, arguments.seed)
noise = timing.flow_noise(config, arguments.seed)
# Statistics of a seeded checkpoint: mean 0, deviation 0.1 for state and action.
deviation = 0.1


def infer(_):
    batch = timing.word_batch(inputs, arguments.tokens)
    batch["observation.state"] = inputs.state.unsqueeze(0) / (deviation + 1e-8)
    return policy.predict_action_chunk(batch, noise=noise)[0] * deviation


timing.answer_lines(started, infer)
