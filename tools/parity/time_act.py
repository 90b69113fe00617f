"""Runs LeRobot's ACT once for every line on standard input and answers its time: `myelin bench act` compares with it."""

import json
import pathlib
import resource
import sys
import time

checkpoint, lerobot_src, threads, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
answers, sys.stdout = sys.stdout, sys.stderr  # LeRobot prints; answers go out alone
sys.path[:0] = [lerobot_src, str(pathlib.Path(__file__).resolve().parent)]

from torchvision_cpu import declare_operators  # noqa: E402

declare_operators()

import seeded  # noqa: E402
import torch  # noqa: E402
from lerobot.policies.act.modeling_act import ACTPolicy  # noqa: E402
from lerobot.policies.factory import make_pre_post_processors  # noqa: E402

torch.set_num_threads(threads)
torch.set_grad_enabled(False)
started = time.perf_counter()
policy = ACTPolicy.from_pretrained(checkpoint)
policy.eval()
load_s = time.perf_counter() - started
before, after = make_pre_post_processors(policy.config, pretrained_path=checkpoint)

pixels = {}
for name, feature in policy.config.image_features.items():
    _, height, width = feature.shape
    pixels[name] = torch.from_numpy(seeded.picture(seed, f"{name}@0", height, width))
length = policy.config.robot_state_feature.shape[0]
state = torch.tensor(seeded.uniform(seed, "observation.state@0", length), dtype=torch.float32)


def infer():
    batch = {name: picture.permute(2, 0, 1).float() / 255 for name, picture in pixels.items()}
    batch["observation.state"] = state
    return after(policy.predict_action_chunk(before(batch))[0])


def answer(message):
    print(json.dumps(message), file=answers, flush=True)


answer({"loadS": load_s, "version": torch.__version__, "actions": infer().flatten().tolist()})
for _ in sys.stdin:
    started = time.perf_counter()
    infer()
    elapsed_ms = (time.perf_counter() - started) * 1000
    answer({"ms": elapsed_ms, "peakMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})
