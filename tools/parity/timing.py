"""What the scripts that time LeRobot's policies share: arguments, seeded inputs, and one answer for each line.

Imported once LeRobot can be; `start` comes before, as LeRobot prints and answers must go out alone."""

import json
import pathlib
import resource
import sys
import time


class Arguments:
    """checkpoint, LeRobot's src folder, threads, seed, and the task's tokens with commas between them."""

    def __init__(self):
        self.checkpoint, self.lerobot_src = sys.argv[1], sys.argv[2]
        self.threads, self.seed = int(sys.argv[3]), int(sys.argv[4])
        self.tokens = [int(word) for word in sys.argv[5].split(",")] if len(sys.argv) > 5 else []


def start():
    """Reads the arguments and keeps standard output for answers."""
    global _answers
    _answers, sys.stdout = sys.stdout, sys.stderr
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    from torchvision_cpu import declare_operators

    declare_operators()
    return Arguments()


def begin(arguments):
    """Sets threads; from here on loading counts."""
    import torch

    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    return time.perf_counter()


def read_config(checkpoint, kind, pairs, **also):
    """A config.json as one of LeRobot's configurations; `pairs` are the entries it wants as tuples."""
    from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature

    parts = json.loads(pathlib.Path(checkpoint, "config.json").read_text())
    parts.pop("type")
    feature = lambda value: PolicyFeature(type=FeatureType(value["type"]), shape=tuple(value["shape"]))  # noqa: E731
    for key in ("input_features", "output_features"):
        parts[key] = {name: feature(value) for name, value in parts[key].items()}
    modes = parts["normalization_mapping"].items()
    parts["normalization_mapping"] = {key: NormalizationMode(value) for key, value in modes}
    for key in pairs:
        parts[key] = tuple(parts[key])
    return kind(**{**parts, **also, "device": "cpu"})


class SeededInputs:
    """The observation that the bench's other side makes too."""

    def __init__(self, config, seed):
        import seeded
        import torch

        self._pixels = {}
        for name, feature in config.image_features.items():
            _, height, width = feature.shape
            self._pixels[name] = torch.from_numpy(seeded.picture(seed, f"{name}@0", height, width))
        length = config.input_features["observation.state"].shape[0]
        self.state = torch.tensor(seeded.uniform(seed, "observation.state@0", length), dtype=torch.float32)

    def pictures(self):
        """Float pictures of one moment, as a robot's loop makes them for each inference."""
        return {name: picture.permute(2, 0, 1).float() / 255 for name, picture in self._pixels.items()}


def word_batch(inputs, tokens):
    """A batch of one for a policy that takes words."""
    import torch

    batch = {name: picture.unsqueeze(0) for name, picture in inputs.pictures().items()}
    batch["observation.language.tokens"] = torch.tensor([tokens])
    batch["observation.language.attention_mask"] = torch.ones(1, len(tokens), dtype=torch.bool)
    return batch


def flow_noise(config, seed):
    """The noise that a flow begins with."""
    import seeded
    import torch

    count = config.chunk_size * config.max_action_dim
    noise = 2 * torch.tensor(seeded.uniform(seed, "noise@0", count), dtype=torch.float32)
    return noise.reshape(1, config.chunk_size, config.max_action_dim)


def answer_lines(started, infer):
    """Answers with the first actions, then with the time of each inference. `infer` takes the line, at first None."""
    import torch

    load_s = time.perf_counter() - started
    inferred = time.perf_counter()
    actions = infer(None).flatten().tolist()
    first_s = load_s + time.perf_counter() - inferred
    _answer({"loadS": load_s, "firstS": first_s, "version": torch.__version__, "actions": actions})
    for line in sys.stdin:
        inferred = time.perf_counter()
        infer(line)
        elapsed_ms = (time.perf_counter() - inferred) * 1000
        _answer({"ms": elapsed_ms, "peakMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def _answer(message):
    print(json.dumps(message), file=_answers, flush=True)
