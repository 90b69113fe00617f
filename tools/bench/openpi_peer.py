"""openpi's own ends of a round trip, for `myelin bench serving-openpi`.

  openpi_peer.py server FILE          openpi's server (its websocket_policy_server.py) with a policy that does nothing;
                                      prints {"port": n}
  openpi_peer.py floor                takes requests and looks at none, answers the same actions each time
  openpi_peer.py client PORT N CAMERAS HEIGHT WIDTH
                                      for each line read, N requests with openpi's client; prints {"ms": [...]}
"""

import asyncio
import base64
import hashlib
import importlib.util
import json
import socket
import sys
import threading
import time

import numpy as np
from openpi_client import msgpack_numpy, websocket_client_policy


class Noop:
    def infer(self, obs):
        state = np.asarray(obs["observation/state"])
        return {"actions": np.broadcast_to(state, (50, state.shape[0])).astype(np.float64)}

    def reset(self):
        pass


def server(path):
    spec = importlib.util.spec_from_file_location("websocket_policy_server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = module.WebsocketPolicyServer(Noop(), host="127.0.0.1", port=0)

    async def run():
        # As its `run` does, but for the port it is given, which must be told.
        async with module._server.serve(
            own._handler, "127.0.0.1", 0, compression=None, max_size=None, process_request=module._health_check
        ) as listening:
            print(json.dumps({"port": listening.sockets[0].getsockname()[1]}), flush=True)
            await listening.serve_forever()

    asyncio.run(run())


def floor():
    """The least a server can do: it counts the bytes of each frame."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    while True:
        threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()


def answer(stream):
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.recv(1)
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
    key = {name.lower(): value for name, value in fields.items()}["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    stream.sendall(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    stream.sendall(frame(msgpack_numpy.packb({})))
    reply = frame(msgpack_numpy.packb({"actions": np.zeros((50, 7)), "server_timing": {"infer_ms": 0.0}}))
    memory = bytearray(1 << 20)
    while True:
        start = stream.recv(2, socket.MSG_WAITALL)
        if start[:1] == b"\x89":
            # A ping, which is empty or short; the pong needs no mask.
            rest = stream.recv((start[1] & 127) + 4, socket.MSG_WAITALL)
            mask, masked = rest[:4], rest[4:]
            stream.sendall(b"\x8a" + bytes([len(masked)]) + bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked)))
            continue
        if start != b"\x82\xff":
            return
        # Eight bytes of length (the requests have more than 64 KiB), four of mask.
        left = int.from_bytes(stream.recv(12, socket.MSG_WAITALL)[:8], "big")
        while left > 0:
            left -= stream.recv_into(memory, min(left, len(memory)))
        stream.sendall(reply)


def frame(payload):
    size = len(payload)
    return b"\x82" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + payload


def client(port, count, cameras, height, width):
    policy = websocket_client_policy.WebsocketClientPolicy(host="127.0.0.1", port=port)
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    observation = {
        "images": {name: picture for name in ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")[:cameras]},
        "observation/state": np.zeros(7),
        "prompt": "nothing",
    }
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            policy.infer(observation)
            times.append(1000 * (time.perf_counter() - start))
        print(json.dumps({"ms": times}), flush=True)


role, *rest = sys.argv[1:]
if role == "server":
    server(rest[0])
elif role == "floor":
    floor()
else:
    client(*map(int, rest))
