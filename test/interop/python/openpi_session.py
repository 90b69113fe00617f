"""A robot's program as openpi's users write it: the stock client, with and without its chunk broker."""

import json
import sys
import threading

import numpy as np
from openpi_client import action_chunk_broker, image_tools, websocket_client_policy

host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3] or None


def say(**facts):
    print(json.dumps(facts), flush=True)


def libero(first):
    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    return {
        "observation/image": image_tools.convert_to_uint8(image_tools.resize_with_pad(picture, 224, 224)),
        "observation/wrist_image": np.zeros((224, 224, 3), np.uint8),
        "observation/state": np.arange(first, first + 8, dtype=np.float32),
        "prompt": "stack the bowls",
    }


policy = websocket_client_policy.WebsocketClientPolicy(host=host, port=port, api_key=key)
say(event="metadata", metadata=policy.get_server_metadata())

answer = policy.infer(libero(1))
say(
    event="libero",
    keys=sorted(answer),
    dtype=answer["actions"].dtype.str,
    shape=answer["actions"].shape,
    first=answer["actions"][0].tolist(),
    timing=answer["server_timing"],
)

aloha = {
    "state": np.arange(14),
    "images": {name: np.zeros((3, 224, 224), np.uint8) for name in ("cam_high", "cam_left_wrist", "cam_right_wrist", "cam_low")},
    "prompt": "fold",
}
say(event="aloha", shape=policy.infer(aloha)["actions"].shape)

droid = {
    "observation/exterior_image_1_left": np.zeros((180, 320, 3), np.uint8),
    "observation/wrist_image_left": np.zeros((180, 320, 3), np.uint8),
    "observation/joint_position": np.arange(7, dtype=np.float64),
    "observation/gripper_position": np.array([0.5]),
    "prompt": "open the drawer",
}
answer = policy.infer(droid)
say(event="droid", first=answer["actions"][0].tolist(), prev_total_ms="prev_total_ms" in answer["server_timing"])

broker = action_chunk_broker.ActionChunkBroker(policy, action_horizon=2)
say(event="broker", rows=[broker.infer(libero(10 * i))["actions"].tolist()[0] for i in range(4)])

mine = {}


def client(i):
    other = websocket_client_policy.WebsocketClientPolicy(host=host, port=port, api_key=key)
    mine[i] = [other.infer(libero(100 * i + n))["actions"][0][0].item() for n in range(5)]


threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
say(event="eight clients at once", mine=mine)

try:
    policy.infer({"observation/imgae": np.zeros((8, 8, 3), np.uint8), "prompt": "x"})
except RuntimeError as error:
    say(event="error", text=str(error))
