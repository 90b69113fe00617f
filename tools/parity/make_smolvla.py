"""Records what LeRobot's own SmolVLA answers for seeded checkpoints of tiny sizes. See README.md beside this file."""

import json
import math
import pathlib
import shutil
import types

import command_line
import lerobot_newer

HERE = pathlib.Path(__file__).resolve().parent
options = command_line.read(__doc__, "LeRobot newer than 0.6.1")
lerobot_newer.install(options.lerobot_src, ["smolvla", "rtc"])

import seeded  # noqa: E402
import torch  # noqa: E402
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature  # noqa: E402
from lerobot.policies.rtc.configuration_rtc import RTCConfig  # noqa: E402
from lerobot.policies.smolvla import smolvlm_with_expert  # noqa: E402
from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig  # noqa: E402
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy  # noqa: E402
from lerobot.policies.smolvla.processor_smolvla import make_smolvla_pre_post_processors  # noqa: E402
from lerobot.processor import NormalizerProcessorStep, tokenizer_processor  # noqa: E402
from make_tokenizer import smollm_like  # noqa: E402
from recording import noise_of, rounded, run_observation, statistics  # noqa: E402
from transformers import PreTrainedTokenizerFast, SmolVLMConfig  # noqa: E402

torch.manual_seed(0)
torch.set_grad_enabled(False)

FIXTURES = HERE / "fixtures" / "smolvla"
TOKENIZER = PreTrainedTokenizerFast(tokenizer_object=smollm_like(), pad_token="<|im_end|>", eos_token="<|im_end|>")


def tiny(layers):
    """A SmolVLM2 with the head width of all of them, and little else."""
    text = dict(
        model_type="llama", hidden_size=192, num_attention_heads=3, num_key_value_heads=1, head_dim=64,
        intermediate_size=96, num_hidden_layers=layers, vocab_size=len(TOKENIZER), rms_norm_eps=1e-5, rope_theta=100_000,
        hidden_act="silu", attention_bias=False, pad_token_id=2,
    )  # fmt: skip
    vision = dict(
        hidden_size=64, num_attention_heads=1, num_hidden_layers=2, intermediate_size=96, patch_size=8, image_size=32,
        hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6,
    )  # fmt: skip
    return SmolVLMConfig(text_config=text, vision_config=vision, scale_factor=2)


def offline(layers):
    """What LeRobot asks the Hub for."""
    ids = {name: TOKENIZER.convert_tokens_to_ids(token) for name, token in
           [("fake_image_token_id", "<fake_token_around_image>"), ("global_image_token_id", "<global-img>")]}  # fmt: skip
    processor = types.SimpleNamespace(tokenizer=types.SimpleNamespace(**ids))
    loading = lambda answer: types.SimpleNamespace(from_pretrained=lambda *_, **__: answer)  # noqa: E731
    smolvlm_with_expert.AutoConfig = loading(tiny(layers))
    smolvlm_with_expert.AutoProcessor = loading(processor)
    tokenizer_processor.AutoTokenizer = loading(TOKENIZER)


def real_time_chunk(case, run, policy, before):
    """The rest of the previous chunk, as LeRobot's engine hands it over: normalised."""
    chunk = run.get("chunk")
    policy.config.rtc_config = policy.model.rtc_processor = None
    if chunk is None:
        return {}
    policy.config.rtc_config = RTCConfig(enabled=True, execution_horizon=chunk["horizon"])
    policy.init_rtc_processor()
    values = seeded.uniform(case["seed"], "previous", chunk["rows"] * case["action"])
    previous = torch.tensor(values, dtype=torch.float32).reshape(chunk["rows"], case["action"])
    normalizer = next(step for step in before.steps if isinstance(step, NormalizerProcessorStep))
    left = normalizer._normalize_action(previous, inverse=False)
    return {"prev_chunk_left_over": left, "inference_delay": chunk["delay"], "execution_horizon": chunk["horizon"]}


def fill(policy, seed, dtype):
    for name, tensor in policy.state_dict().items():
        values = torch.from_numpy(seeded.seeded_tensor(seed, name, tuple(tensor.shape)))
        tensor.copy_(values.to(dtype).float())


def record(case):
    folder = FIXTURES / case["name"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    offline(case["layers"])
    feature = lambda kind, shape: PolicyFeature(type=FeatureType(kind), shape=tuple(shape))  # noqa: E731
    config = SmolVLAConfig(
        device="cpu",
        input_features={name: feature(*value) for name, value in case["inputs"].items()},
        output_features={"action": feature("ACTION", [case["action"]])},
        normalization_mapping={key: NormalizationMode(value) for key, value in case["modes"].items()},
        **case["config"],
    )
    policy = SmolVLAPolicy(config)
    stats = statistics(case["seed"], {**config.input_features, **config.output_features})
    before, after = make_smolvla_pre_post_processors(config, stats)
    before.save_pretrained(folder, config_filename="policy_preprocessor.json")
    after.save_pretrained(folder, config_filename="policy_postprocessor.json")
    # The tokenizer is the same everywhere: it is kept once.
    shutil.rmtree(FIXTURES / "tokenizer", ignore_errors=True)
    (folder / "tokenizer").rename(FIXTURES / "tokenizer")
    config._save_pretrained(folder)
    fill(policy, case["seed"], getattr(torch, case["dtype"]))
    policy.eval()

    runs = []
    for run in case["runs"]:
        processed = {key: value for key, value in before(run_observation(case, config, run)).items() if value is not None}
        config.num_steps = run.get("flow_steps", case["config"].get("num_steps", 10))
        chunk = real_time_chunk(case, run, policy, before)
        actions = policy.predict_action_chunk(processed, noise=noise_of(case, run), **chunk)
        valid = processed["observation.language.attention_mask"][0]
        robot = torch.stack([after(row.unsqueeze(0))[0] for row in actions[0]])
        ids = processed["observation.language.tokens"][0][valid].tolist()
        runs.append({**run, "expected": {"ids": ids, "chunk": rounded(robot.tolist())}})
    spread = min(torch.tensor(run["expected"]["chunk"]).std() for run in runs)
    print(f"{case['name']:28} {len(runs)} runs, {len(runs[0]['expected']['ids'])} tokens, spread {spread:.3f}", flush=True)
    assert all(math.isfinite(value) for run in runs for row in run["expected"]["chunk"] for value in row)
    stored = {name: list(tensor.shape) for name, tensor in policy.state_dict().items()}
    reference = {"seed": case["seed"], "dtype": case["dtype"], "runs": runs}
    # Names and shapes where layers are arranged in another way.
    if case["name"] in ("two-cameras", "fewer-expert-layers", "looks-at-itself"):
        reference["tensors"] = stored
    (folder / "reference.json").write_text(json.dumps(reference, separators=(",", ":")))


TOP, SIDE, WRIST = (f"observation.images.{name}" for name in ("top", "side", "wrist"))
STATE = "observation.state"
MEAN_STD = {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
WIDE, TALL, EXACT = ("VISUAL", [3, 45, 80]), ("VISUAL", [3, 60, 36]), ("VISUAL", [3, 32, 32])


def case(name, seed, inputs, runs, modes=MEAN_STD, action=7, layers=4, dtype="float32", **config):
    defaults = dict(
        chunk_size=6, n_action_steps=4, max_state_dim=12, max_action_dim=10, num_steps=5, num_vlm_layers=layers,
        resize_imgs_with_padding=(32, 32), tokenizer_max_length=24,
    )  # fmt: skip
    return {"name": name, "seed": seed, "inputs": inputs, "modes": modes, "action": action, "layers": layers,
            "dtype": dtype, "runs": runs, "config": {**defaults, **config}}  # fmt: skip


def run(task, step, **rest):
    return {"task": task, "step": step, **rest}


SHORT, LONG = "sort 12", "put the red cube into the blue box, then push the button 127 times with the left gripper"
BOTH = {TOP: WIDE, STATE: ("STATE", [7]), WRIST: EXACT}
ONE = {STATE: ("STATE", [7]), WRIST: EXACT}
CASES = [
    case("two-cameras", 61, BOTH, [run(SHORT, 0), run(LONG, 1), run("done\n", 2, flow_steps=3), run("归位", 3, flow_steps=1)]),
    case("missing-cameras", 62, {TOP: TALL, STATE: ("STATE", [6]), SIDE: WIDE, WRIST: EXACT},
         [run(SHORT, 0, absent=[SIDE]), run(SHORT, 1, absent=[TOP, SIDE]), run(LONG, 2)], action=6, empty_cameras=1),
    case("image-marks", 63, BOTH, [run(SHORT, 0), run(LONG, 1, absent=[TOP])],
         add_image_special_tokens=True, empty_cameras=2, prefix_length=64),
    case("padded-prefix", 64, ONE, [run(SHORT, 0), run(LONG, 1)], prefix_length=40, pad_language_to="max_length",
         num_expert_layers=0, modes={"VISUAL": "IDENTITY", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"}),
    case("looks-at-itself", 65, ONE, [run(SHORT, 0)], attention_mode="self_attn",
         modes={"VISUAL": "MEAN_STD", "STATE": "QUANTILES", "ACTION": "QUANTILES"}),
    case("looks-across-only", 66, ONE, [run(SHORT, 0)], self_attn_every_n_layers=0,
         modes={"VISUAL": "MIN_MAX", "STATE": "IDENTITY", "ACTION": "IDENTITY"}),
    case("every-third-layer", 67, ONE, [run(SHORT, 0)], self_attn_every_n_layers=3, expert_width_multiplier=0.5),
    case("fewer-expert-layers", 68, ONE, [run(SHORT, 0)], num_expert_layers=2, self_attn_every_n_layers=4),
    case("fewer-language-layers", 69, ONE, [run(SHORT, 0)], layers=6, num_vlm_layers=2, max_state_dim=7, max_action_dim=7,
         modes={"VISUAL": "IDENTITY", "STATE": "QUANTILE10", "ACTION": "QUANTILE10"}),
    case("smaller-pictures", 70, ONE, [run(SHORT, 0)], resize_imgs_with_padding=(16, 16), min_period=1e-2, max_period=2.0),
    case("half-precision", 72, BOTH, [run(LONG, 0)], dtype="bfloat16"),
    case("real-time-chunks", 73, ONE, [
        run(SHORT, 0, chunk=dict(rows=6, delay=2, horizon=4)), run(SHORT, 1, chunk=dict(rows=3, delay=1, horizon=10)),
        run(SHORT, 2, chunk=dict(rows=4, delay=0, horizon=10), flow_steps=10), run(SHORT, 3)]),
]  # fmt: skip

for chosen in CASES:
    if options.only in (None, chosen["name"]):
        record(chosen)
