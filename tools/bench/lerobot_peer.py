"""LeRobot's own asynchronous inference as one end of a round trip, for `myelin bench serving`.

usage: lerobot_peer.py server HEIGHT WIDTH
       lerobot_peer.py floor HEIGHT WIDTH    (takes observations and looks at none, answers the same actions each time)
       lerobot_peer.py client PORT COUNT CAMERAS HEIGHT WIDTH   (a round of COUNT requests at each line read)

LEROBOT is the folder that holds the `lerobot` package.
"""

import json
import logging
import os
import pickle
import sys
import time
from concurrent import futures

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../test/interop/python"))

import lerobot_async  # noqa: E402, F401
import grpc  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from lerobot.async_inference import policy_server  # noqa: E402
from lerobot.async_inference.configs import PolicyServerConfig, RobotClientConfig  # noqa: E402
from lerobot.async_inference.helpers import TimedAction, TimedObservation  # noqa: E402
from lerobot.async_inference.robot_client import RobotClient  # noqa: E402
from lerobot.configs.types import FeatureType, PolicyFeature  # noqa: E402
from lerobot.transport import services_pb2, services_pb2_grpc  # noqa: E402

JOINTS = [f"j{i}.pos" for i in range(7)]
logging.disable(logging.INFO)


def say(facts):
    print(json.dumps(facts), flush=True)


def serve(height, width):
    class AnyCamera(dict):
        def __missing__(self, _name):
            return PolicyFeature(type=FeatureType.VISUAL, shape=(3, height, width))

    class Policy:
        class config:  # noqa: N801
            image_features = AnyCamera()

        @classmethod
        def from_pretrained(cls, _path):
            return cls()

        def to(self, _device):
            return self

        def predict_action_chunk(self, observation):
            return observation["observation.state"].unsqueeze(1).repeat(1, 50, 1)

    policy_server.get_policy_class = lambda _type: Policy
    policy_server.make_pre_post_processors = lambda *_a, **_k: (lambda x: x, lambda x: x)
    config = PolicyServerConfig(host="127.0.0.1", port=1, inference_latency=0.0)
    listen(lambda server: services_pb2_grpc.add_AsyncInferenceServicer_to_server(policy_server.PolicyServer(config), server))


def floor(_height, _width):
    """As little as a server in Python can do: messages are not even parsed."""
    actions = pickle.dumps([TimedAction(0.0, step, torch.zeros(7)) for step in range(50)])
    nothing = services_pb2.Empty().SerializeToString()
    reply = services_pb2.Actions(data=actions).SerializeToString()

    def drop(messages, _context):
        for _ in messages:
            pass
        return nothing

    handlers = {name: grpc.unary_unary_rpc_method_handler(lambda *_: nothing) for name in ("Ready", "SendPolicyInstructions")}
    handlers["GetActions"] = grpc.unary_unary_rpc_method_handler(lambda *_: reply)
    handlers["SendObservations"] = grpc.stream_unary_rpc_method_handler(drop)
    service = grpc.method_handlers_generic_handler("transport.AsyncInference", handlers)
    listen(lambda server: server.add_generic_rpc_handlers((service,)))


def listen(add_service):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    add_service(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    say({"port": port})
    server.wait_for_termination()


class Robot:
    def __init__(self, cameras):
        self.observation_features = {name: float for name in JOINTS} | cameras
        self.action_features = {name: float for name in JOINTS}

    def connect(self):
        pass

    def disconnect(self):
        pass


def drive(port, count, cameras, height, width):
    shapes = {f"cam{i}": (height, width, 3) for i in range(cameras)}
    config = RobotClientConfig(
        policy_type="act",
        pretrained_name_or_path="noop",
        robot=lerobot_async.RobotConfig(lambda: Robot(shapes)),
        actions_per_chunk=50,
        server_address=f"127.0.0.1:{port}",
    )
    client = RobotClient(config)
    if not client.start():
        sys.exit("the server refused")
    pictures = {name: np.random.default_rng(0).integers(0, 255, shape, np.uint8) for name, shape in shapes.items()}
    say({"ready": True})
    step = 0
    for _ in sys.stdin:
        times = []
        for _ in range(count):
            step += 1
            raw = {name: float(step) for name in JOINTS} | pictures | {"task": "nothing"}
            started = time.perf_counter()
            actions = []
            # A server with one queue for all may give this client's observation to another one: it is sent again.
            while not actions:
                client.send_observation(TimedObservation(time.time(), step, raw, must_go=True))
                reply = client.stub.GetActions(services_pb2.Empty())
                actions = pickle.loads(reply.data) if reply.data else []
            actions[0].get_action()[0].item()
            times.append((time.perf_counter() - started) * 1000)
        say({"ms": times})


role, *rest = sys.argv[1:]
{"server": serve, "floor": floor, "client": drive}[role](*map(int, rest))
