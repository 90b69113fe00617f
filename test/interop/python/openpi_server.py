"""A server of openpi's kind for our client: openpi's own code where it is at hand, else fakes built from its documentation.

usage: openpi_server.py DIALECT [path of openpi's websocket_policy_server.py]
"""

import asyncio
import importlib.util
import sys
import traceback

import numpy as np
import websockets.asyncio.server as ws
from openpi_client import msgpack_numpy

dialect, source = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
ROWS = 10


class Policy:
    """Answers the state, row r plus r; fails on the prompt `fail`."""

    def infer(self, obs):
        if obs.get("prompt") == "fail":
            raise KeyError("observation/state")
        image = obs["observation/image"]
        assert image.dtype == np.uint8 and image.shape == (224, 224, 3), (image.dtype, image.shape)
        state = np.asarray(obs["observation/state"], np.float64)[:7]
        return {"actions": state[None] + np.arange(ROWS)[:, None], "policy_timing": {"infer_ms": 1.0}}

    def reset(self):
        pass


def stock_server():
    spec = importlib.util.spec_from_file_location("websocket_policy_server", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WebsocketPolicyServer(Policy(), host="127.0.0.1", port=0, metadata={"reset_pose": [0.0, 1.0]})


class FakeStock:
    metadata = {"reset_pose": [0.0, 1.0]}
    path = None

    def answer(self, obs):
        return Policy().infer(obs)


class FakeSglang:
    """No normalisation, blank pictures for misnamed cameras, errors as a binary map and 1011."""

    path = "/openpi/policy"
    metadata = {
        "object": "action.metadata",
        "model": "lerobot/pi05_base",
        "model_path": "lerobot/pi05_base",
        "policy_family": "pi05",
        "input": {"image_keys": ["base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"], "image_size": [224, 224], "state_dim": 32},
        "output": {"action_type": "continuous", "action_horizon": ROWS, "action_dim": 32, "padded_action_dim": 32, "dtype": "float32"},
        "runtime": {"materialize_dtype": "bfloat16", "cuda_graph": {}, "parallelism": {"num_gpus": 1}},
        "defaults": {"num_inference_steps": 10, "prefix_cache": False, "cuda_graph": False},
        "capabilities": {"openpi_websocket": True, "batch_inputs": False},
    }

    def answer(self, obs):
        if obs.get("prompt") == "fail":
            raise ValueError("engine failure")
        assert all(obs[f"observation.images.{name}"].shape == (224, 224, 3) for name in self.metadata["input"]["image_keys"])
        actions = np.zeros((ROWS, 32), np.float32)
        actions[:, : obs["state"].shape[0]] = obs["state"]
        return {"request_id": "1", "actions": actions, "parameters": {"seed": obs.get("seed")}, "timings": {}, "cache": {}}


class FakeVllm:
    """A bare array back; reset; errors that leave the connection open."""

    path = "/v1/realtime/robot/openpi"
    metadata = {
        "image_resolution": [224, 224],
        "n_external_cameras": 1,
        "needs_wrist_camera": False,
        "needs_stereo_camera": False,
        "needs_session_id": False,
        "action_space": "joint_position",
        "action_horizon": ROWS,
        "action_dim": 7,
        "max_action_dim": 32,
        "max_cameras": 3,
    }
    resets = 0

    def answer(self, obs):
        if obs.pop("endpoint", "infer") == "reset":
            self.resets += 1
            return {"status": "reset successful"}
        if obs.get("prompt") == "fail":
            return {"type": "error", "message": "Internal inference error"}
        assert obs["observation.images.base_0_rgb"].dtype == np.uint8
        return (obs["state"][None] + np.arange(ROWS)[:, None] + 1000 * self.resets).astype(np.float32)


fake = {"openpi": FakeStock, "sglang": FakeSglang, "vllm-omni": FakeVllm}[dialect]()


async def handle(socket):
    if fake.path is not None and socket.request.path != fake.path:
        return await socket.close(1008, "no such path")
    await socket.send(msgpack_numpy.packb(fake.metadata))
    while True:
        try:
            message = msgpack_numpy.unpackb(await asyncio.wait_for(socket.recv(), 2 if dialect == "vllm-omni" else None))
            await socket.send(msgpack_numpy.packb(fake.answer(message)))
        except (websockets.ConnectionClosed, asyncio.TimeoutError):
            return await socket.close()
        except Exception:
            text = traceback.format_exc()
            await socket.send(msgpack_numpy.packb({"error": text}) if dialect == "sglang" else text)
            return await socket.close(1011, "Internal server error. Traceback included in previous frame.")


async def main():
    handler = stock_server()._handler if dialect == "openpi" and source else handle
    async with ws.serve(handler, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


import websockets  # noqa: E402

asyncio.run(main())
