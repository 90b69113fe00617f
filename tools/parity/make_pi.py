"""Records what LeRobot's own pi0 and pi05 answer for seeded checkpoints of tiny sizes. See README.md beside this file."""

import json
import math
import pathlib
import shutil

import command_line
import lerobot_newer

HERE = pathlib.Path(__file__).resolve().parent
options = command_line.read(__doc__, "LeRobot newer than 0.6.1")
lerobot_newer.install(options.lerobot_src, ["pi0", "pi05", "rtc"])

import seeded  # noqa: E402
import torch  # noqa: E402
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature  # noqa: E402
from lerobot.policies.pi0 import modeling_pi0  # noqa: E402
from lerobot.policies.pi0.configuration_pi0 import PI0Config  # noqa: E402
from lerobot.policies.pi0.processor_pi0 import make_pi0_pre_post_processors  # noqa: E402
from lerobot.policies.pi05 import modeling_pi05  # noqa: E402
from lerobot.policies.pi05.configuration_pi05 import PI05Config  # noqa: E402
from lerobot.policies.pi05.processor_pi05 import make_pi05_pre_post_processors  # noqa: E402
from lerobot.policies.rtc.configuration_rtc import RTCConfig  # noqa: E402
from lerobot.policies.rtc.relative import reanchor_relative_rtc_prefix  # noqa: E402
from lerobot.processor import NormalizerProcessorStep, RelativeActionsProcessorStep, tokenizer_processor  # noqa: E402
from make_tokenizer import paligemma_like  # noqa: E402
from recording import noise_of, rounded, run_observation  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

torch.manual_seed(0)
torch.set_grad_enabled(False)

FIXTURES = HERE / "fixtures" / "pi"
SIZES = {
    # heads and head width as in every published variant: 8 query heads, 1 key head
    "gemma_2b": dict(width=64, depth=3, mlp_dim=96, num_heads=8, num_kv_heads=1, head_dim=8),
    "gemma_300m": dict(width=32, depth=3, mlp_dim=48, num_heads=8, num_kv_heads=1, head_dim=8),
}
VISION = dict(hidden_size=32, num_hidden_layers=2, intermediate_size=40, num_attention_heads=16, patch_size=14)

TOKENIZER = PreTrainedTokenizerFast(
    tokenizer_object=paligemma_like(), pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"
)
VOCABULARY = len(TOKENIZER)


def shrink(module):
    """The modelling code names two sizes of Gemma and one of SigLIP; these are the same networks, smaller."""
    module.get_gemma_config = lambda variant: module.GemmaConfig(**SIZES[variant])
    tower, expert = module.PaliGemmaForConditionalGenerationWithPiGemma, module.PiGemmaForCausalLM

    def small_tower(config):
        config.text_config.vocab_size = VOCABULARY
        config.projection_dim = config.vision_config.projection_dim = config.text_config.hidden_size
        for name, value in VISION.items():
            setattr(config.vision_config, name, value)
        return tower(config)

    def small_expert(config):
        config.vocab_size = VOCABULARY
        return expert(config)

    module.PaliGemmaForConditionalGenerationWithPiGemma, module.PiGemmaForCausalLM = small_tower, small_expert


shrink(modeling_pi0)
shrink(modeling_pi05)
tokenizer_processor.AutoTokenizer.from_pretrained = lambda *_, **__: TOKENIZER


def statistics(seed, features):
    """Seeded statistics of state and action: low < q01 < mean < q99 < high for every element."""
    result = {}
    for name, feature in features.items():
        if feature.type is FeatureType.VISUAL:
            continue
        noise = lambda stat: seeded.uniform(seed, f"{name}.{stat}", feature.shape[0])  # noqa: B023, E731
        centre, spread = 0.3 * noise("mean"), 0.4 + 0.2 * noise("std")
        values = {
            "mean": centre,
            "std": spread,
            "min": centre - 3.0 * spread,
            "max": centre + 2.9 * spread,
            "q01": centre - 1.3 * spread,
            "q99": centre + 1.4 * spread,
        }
        result[name] = {key: torch.tensor(value, dtype=torch.float32) for key, value in values.items()}
    return result


def canonical(name):
    """The name a weight is seeded by: whatever level or tie a release stores it under."""
    name = name.replace("vision_tower.vision_model.", "vision_tower.")
    return name.replace("paligemma.lm_head.weight", "paligemma.model.language_model.embed_tokens.weight")


def fill(policy, seed, dtype):
    for name, tensor in policy.state_dict().items():
        values = torch.from_numpy(seeded.seeded_tensor(seed, canonical(name), tuple(tensor.shape)))
        tensor.copy_(values.to(dtype).float())


def previous_of(case, rows):
    values = seeded.uniform(case["seed"], "previous", rows * case["action"])
    return torch.tensor(values, dtype=torch.float32).reshape(rows, case["action"])


def real_time_chunk(case, run, policy, before, batch):
    """What LeRobot's engine hands the policy of the chunk in execution."""
    chunk = run.get("chunk")
    if chunk is None:
        return {}
    policy.config.rtc_config = RTCConfig(mode=chunk["mode"], execution_horizon=chunk["horizon"])
    policy.init_rtc_processor()
    relative = next(step for step in before.steps if isinstance(step, RelativeActionsProcessorStep))
    normalizer = next(step for step in before.steps if isinstance(step, NormalizerProcessorStep))
    if not relative.enabled:
        relative = RelativeActionsProcessorStep(enabled=True, exclude_joints=["a"], action_names=["a"] * case["action"])
    left = reanchor_relative_rtc_prefix(
        previous_of(case, chunk["rows"]), batch["observation.state"], relative, normalizer, "cpu"
    )
    return {"prev_chunk_left_over": left, "inference_delay": chunk["delay"], "execution_horizon": chunk["horizon"]}


def prefill(policy, processed, ids):
    """Prefix of the seen pictures and these tokens: hidden states and LeRobot's own cache."""
    model = policy.model
    images, masks = policy._preprocess_images(processed)
    present = [image for image, mask in zip(images, masks, strict=True) if bool(mask[0])]
    tokens = torch.tensor([ids])
    embeds, pad, blocks = model.embed_prefix(
        present, [torch.ones(1, dtype=torch.bool)] * len(present), tokens, torch.ones_like(tokens, dtype=torch.bool)
    )
    attention = modeling_pi05.prepare_attention_masks_4d(modeling_pi05.make_att_2d_masks(pad, blocks))
    positions = torch.cumsum(pad, dim=1) - 1
    model.paligemma_with_expert.paligemma.model.language_model.config._attn_implementation = "eager"
    (hidden, _), cache = model.paligemma_with_expert.forward(
        attention_mask=attention, position_ids=positions, inputs_embeds=[embeds, None], use_cache=True
    )
    return hidden[:, -1], cache, pad.shape[1]


def extend(policy, cache, length, token):
    """One more token, seeing everything before it."""
    embed = policy.model.paligemma_with_expert.embed_language_tokens(torch.tensor([[token]]))
    (hidden, _), cache = policy.model.paligemma_with_expert.forward(
        attention_mask=torch.zeros(1, 1, 1, length + 1),
        position_ids=torch.tensor([[length]]),
        past_key_values=cache,
        inputs_embeds=[embed, None],
        use_cache=True,
    )
    return hidden[:, -1], cache, length + 1


def decode(case, policy, before, run):
    """A greedy subtask over LeRobot's modules, and the actions when they follow it in the same sequence."""
    processed = before(run_observation(case, policy.config, run))
    ids = TOKENIZER(run["prompt"])["input_ids"]
    hidden, cache, length = prefill(policy, processed, ids)
    head = policy.model.paligemma_with_expert.paligemma.lm_head
    tokens, margin = [], math.inf
    while len(tokens) < run["steps"]:
        logits = head(hidden)[0]
        best = logits.topk(2).values
        margin = min(margin, float(best[0] - best[1]))
        token = int(logits.argmax())
        if token == run.get("stop", 1):
            break
        tokens.append(token)
        hidden, cache, length = extend(policy, cache, length, token)
    answer = {"prompt_ids": ids, "tokens": tokens, "text": TOKENIZER.decode(tokens), "margin": margin}
    if "cue" in run:
        for token in TOKENIZER(run["cue"], add_special_tokens=False)["input_ids"]:
            hidden, cache, length = extend(policy, cache, length, token)
        pad = torch.ones(1, length, dtype=torch.bool)
        actions = modeling_pi05.euler_integrate(
            lambda x, time: policy.model.denoise_step(pad, cache, x, time), noise_of(case, run), 4
        )
        answer["chunk"] = actions[:, :, : case["action"]]
    return answer


def record(case):
    folder = FIXTURES / case["name"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pi05 = case["type"] == "pi05"
    feature = lambda kind, shape: PolicyFeature(type=FeatureType(kind), shape=tuple(shape))  # noqa: E731
    config = (PI05Config if pi05 else PI0Config)(
        device="cpu",
        input_features={name: feature(*value) for name, value in case["inputs"].items()},
        output_features={"action": feature("ACTION", [case["action"]])},
        normalization_mapping={key: NormalizationMode(value) for key, value in case["modes"].items()},
        **case["config"],
    )
    policy = (modeling_pi05.PI05Policy if pi05 else modeling_pi0.PI0Policy)(config)
    stats = statistics(case["seed"], {**config.input_features, **config.output_features})
    before, after = (make_pi05_pre_post_processors if pi05 else make_pi0_pre_post_processors)(config, stats)
    if "state_in_prompt" in case:
        before.steps[4].include_state_in_prompt = case["state_in_prompt"]
    before.save_pretrained(folder, config_filename="policy_preprocessor.json")
    after.save_pretrained(folder, config_filename="policy_postprocessor.json")
    if "state_in_prompt" in case:
        # LeRobot reads this key of the file and does not write it.
        saved = json.loads((folder / "policy_preprocessor.json").read_text())
        saved["steps"][4]["config"]["include_state_in_prompt"] = case["state_in_prompt"]
        (folder / "policy_preprocessor.json").write_text(json.dumps(saved, indent=2))
    # The tokenizer is the same everywhere: it is kept once.
    (folder / "tokenizer").rename(FIXTURES / "tokenizer") if not (FIXTURES / "tokenizer").exists() else shutil.rmtree(
        folder / "tokenizer"
    )
    config._save_pretrained(folder)
    fill(policy, case["seed"], getattr(torch, case.get("dtype", "float32")))
    policy.eval()

    robot = lambda actions: rounded(torch.stack([after(row) for row in actions[0].unsqueeze(1)])[:, 0].tolist())  # noqa: E731
    runs = []
    for run in case["runs"]:
        batch = run_observation(case, config, run)
        policy.config.rtc_config = policy.model.rtc_processor = None
        processed = before(dict(batch))
        policy_batch = {key: value for key, value in processed.items() if value is not None}
        if "prompt" in run:
            result = decode(case, policy, before, run)
            if "chunk" in result:
                result["chunk"] = robot(result["chunk"])
        else:
            chunk = real_time_chunk(case, run, policy, before, batch)
            actions = policy.predict_action_chunk(
                policy_batch, noise=noise_of(case, run), num_steps=run.get("flow_steps"), **chunk
            )
            valid = policy_batch["observation.language.attention_mask"][0]
            result = {"ids": policy_batch["observation.language.tokens"][0][valid].tolist(), "chunk": robot(actions)}
        runs.append({**run, "expected": result})
    spread = [torch.tensor(run["expected"]["chunk"]).std() for run in runs if "chunk" in run["expected"]]
    print(f"{case['name']:28} {len(runs)} runs, spread of the actions {min(spread):.3f}", flush=True)
    for run in runs:
        if "prompt" in run:
            print(" " * 28, run["expected"]["tokens"], f"margin {run['expected']['margin']:.4f}")
    stored = {name: list(tensor.shape) for name, tensor in policy.state_dict().items()}
    reference = {
        "seed": case["seed"],
        "dtype": case.get("dtype", "float32"),
        "runs": runs,
        **({"tensors": stored} if case.get("names") else {}),
    }
    (folder / "reference.json").write_text(json.dumps(reference, separators=(",", ":")))


TOP, LEFT, RIGHT = (f"observation.images.{name}" for name in ("top", "left_wrist", "right_wrist"))
STATE = "observation.state"
QUANTILES = {"VISUAL": "IDENTITY", "STATE": "QUANTILES", "ACTION": "QUANTILES"}
MEAN_STD = {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
NAMES = [f"joint_{i}.pos" for i in range(6)] + ["gripper.pos"]
FULL = ("VISUAL", [3, 56, 56])


def case(name, kind, seed, inputs, runs, modes=None, action=7, config=None, **rest):
    defaults = dict(
        chunk_size=6, n_action_steps=4, max_state_dim=12, max_action_dim=10, num_inference_steps=5,
        image_resolution=(56, 56), tokenizer_max_length=96 if kind == "pi05" else 24,
    )  # fmt: skip
    modes = modes or (QUANTILES if kind == "pi05" else MEAN_STD)
    return {"name": name, "type": kind, "seed": seed, "inputs": inputs, "modes": modes, "action": action,
            "runs": runs, "config": {**defaults, **(config or {})}, **rest}  # fmt: skip


def run(task, step, **rest):
    return {"task": task, "step": step, **rest}


SHORT, LONG = "sort", " put the red_cube into\nthe blue box, then push the button "
HIGH = "Task: clean the table. Subtask: "
CASES = [
    case("pi05-two-cameras", "pi05", 41, {TOP: ("VISUAL", [3, 45, 80]), STATE: ("STATE", [7]), LEFT: FULL},
         [run(SHORT, 0), run(LONG, 1), run("", 2, flow_steps=3)], names=True),
    case("pi05-missing-cameras", "pi05", 42, {STATE: ("STATE", [6]), LEFT: FULL, TOP: ("VISUAL", [3, 80, 60]), RIGHT: FULL},
         [run(SHORT, 0, absent=[LEFT]), run(SHORT, 0, absent=[LEFT, RIGHT]), run(LONG, 1)], action=6,
         config=dict(empty_cameras=1)),
    case("pi05-mean-std-relative", "pi05", 43, {TOP: FULL, STATE: ("STATE", [7])},
         [run(LONG, 0), run(SHORT, 1), run(SHORT, 1, chunk=dict(mode="guided", rows=4, delay=2, horizon=3))],
         modes=MEAN_STD, config=dict(use_relative_actions=True, action_feature_names=NAMES)),
    case("pi05-no-state-in-prompt", "pi05", 44, {TOP: FULL, STATE: ("STATE", [7])},
         [run(SHORT, 0), run(LONG, 1)], state_in_prompt=False,
         modes={"VISUAL": "IDENTITY", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"}),
    case("pi05-half-precision", "pi05", 45, {TOP: FULL, STATE: ("STATE", [7])}, [run(LONG, 0)], dtype="bfloat16"),
    case("pi05-real-time-chunks", "pi05", 46, {TOP: FULL, STATE: ("STATE", [7])},
         [run(SHORT, 0, chunk=dict(mode="guided", rows=6, delay=2, horizon=4)),
          run(SHORT, 1, chunk=dict(mode="guided", rows=3, delay=1, horizon=10)),
          run(SHORT, 2, chunk=dict(mode="trained", rows=5, delay=2, horizon=4)), run(SHORT, 3)],
         config=dict(rtc_training_max_delay=3)),
    case("pi05-subtasks", "pi05", 57, {TOP: FULL, STATE: ("STATE", [7]), LEFT: FULL},
         [run("clean the table", 0), run("clean the table", 0, prompt=HIGH, steps=12),
          run("clean the table", 0, prompt=HIGH, steps=7, cue=".;\nAction: "),
          run("clean the table", 1, prompt="User: clean the table\nAssistant:", steps=9, absent=[LEFT]),
          run("clean the table", 2, prompt="Task: clean the table<eos>State: 1 2 3<eos>Response:", steps=9)]),
    case("pi0-two-cameras", "pi0", 51, {TOP: ("VISUAL", [3, 45, 80]), STATE: ("STATE", [7]), LEFT: FULL},
         [run(SHORT, 0), run(LONG, 1), run("go\n", 2, flow_steps=3)], names=True),
    case("pi0-missing-cameras-relative", "pi0", 52, {STATE: ("STATE", [7]), LEFT: FULL, TOP: FULL},
         [run(SHORT, 0, absent=[LEFT]), run(SHORT, 1), run(SHORT, 1, chunk=dict(mode="guided", rows=4, delay=1, horizon=4))],
         config=dict(use_relative_actions=True, empty_cameras=1, relative_exclude_joints=[]), modes=QUANTILES),
]  # fmt: skip

FIXTURES.mkdir(parents=True, exist_ok=True)
for chosen in CASES:
    if options.only in (None, chosen["name"]):
        record(chosen)
