"""LeRobot's own PolicyServer on a policy that adds a little to the state. Prints the port it listens at.

usage: lerobot_policy_server.py PORT [fail-first | noop | one-thread]
"""

import sys
from concurrent import futures

import grpc
import lerobot_async  # noqa: F401
import torch
from lerobot.async_inference import policy_server
from lerobot.async_inference.configs import PolicyServerConfig
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.transport import services_pb2_grpc

MODE = sys.argv[2] if len(sys.argv) > 2 else ""


class AnyCamera(dict):
    """Whatever a camera is called, its pictures are wanted as 224 x 224."""

    def __missing__(self, _name):
        return PolicyFeature(type=FeatureType.VISUAL, shape=(3, 224, 224))


class Policy:
    class config:  # noqa: N801
        image_features = AnyCamera()

    calls = 0

    @classmethod
    def from_pretrained(cls, _path):
        return cls()

    def to(self, _device):
        return self

    def predict_action_chunk(self, observation):
        Policy.calls += 1
        if MODE == "fail-first" and Policy.calls == 1:
            raise RuntimeError("out of memory")
        state = observation["observation.state"]
        rows = torch.arange(50, dtype=torch.float32).reshape(1, 50, 1) * (0 if MODE == "noop" else 0.01)
        return state.unsqueeze(1) + rows


policy_server.get_policy_class = lambda _type: Policy
policy_server.make_pre_post_processors = lambda *_a, **_k: (lambda x: x, lambda x: x)

config = PolicyServerConfig(host="127.0.0.1", port=max(1, int(sys.argv[1])), inference_latency=0.0, obs_queue_timeout=1)
server = grpc.server(futures.ThreadPoolExecutor(max_workers=1 if MODE == "one-thread" else 4))
services_pb2_grpc.add_AsyncInferenceServicer_to_server(policy_server.PolicyServer(config), server)
port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
print(f"listening {port}", flush=True)
server.wait_for_termination()
