"""A pi0.5 client as its description reads: JSON over `websockets`, pictures as nested lists."""

import asyncio
import base64
import io
import json
import sys

import msgpack
import numpy as np
import websockets
from PIL import Image

url = sys.argv[1]
picture = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)


def say(**facts):
    print(json.dumps(facts), flush=True)


def request(**more):
    return {
        "images": {name: picture.tolist() for name in ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")},
        "high_level_prompt": "Pick up the flashcard on the table",
        "low_level_prompt": "ABCDEFG",
        "state": [0.0] * 32,
        "generate_subtask": True,
        "max_decoding_steps": 25,
        "temperature": 0.1,
        **more,
    }


def encoded(format):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format)
    return {"encoding": format.lower(), "data": base64.b64encode(file.getvalue()).decode()}


async def single():
    async with websockets.connect(url, max_size=None) as ws:
        say(event="metadata", metadata=json.loads(await ws.recv()))
        await ws.send(json.dumps(request()))
        say(event="answer", answer=json.loads(await ws.recv()))
        await ws.send(json.dumps(request(generate_subtask=False, noise=np.zeros((1, 3, 32)).tolist())))
        say(event="no subtask", subtask=json.loads(await ws.recv())["subtask"])
        await ws.send("not json")
        say(event="error", answer=json.loads(await ws.recv()))
        for format in ("JPEG", "PNG"):
            await ws.send(json.dumps(request(images={"base_0_rgb": encoded(format)})))
            say(event=format, status=json.loads(await ws.recv())["status"])
        # MessagePack as any library writes it: keys of text.
        array = {"__ndarray__": True, "data": picture.tobytes(), "dtype": "|u1", "shape": picture.shape}
        await ws.send(msgpack.packb(request(images={"base_0_rgb": array})))
        say(event="msgpack", status=msgpack.unpackb(await ws.recv())["status"])


async def refreshed():
    async with websockets.connect(url, max_size=None) as ws:
        await ws.recv()
        await ws.send(json.dumps(request(subtask_refresh_interval=0.2)))
        answer = json.loads(await ws.recv())
        say(event="refreshing", enabled=answer["subtask_refresh_enabled"], interval=answer["subtask_refresh_interval"])
        for _ in range(2):
            say(event="refresh", message=json.loads(await ws.recv()))
        await ws.send(json.dumps({"type": "update_observation", "high_level_prompt": "put it down", "subtask_refresh_interval": 0.1}))
        while "put it down" not in (message := json.loads(await ws.recv()))["subtask"]:
            pass
        say(event="updated", message=message)


async def several():
    async def one(i):
        async with websockets.connect(url, max_size=None) as ws:
            await ws.recv()
            await ws.send(json.dumps(request(state=[float(i)] * 32)))
            return json.loads(await ws.recv())["actions"][0][0][0]

    say(event="several", first=await asyncio.gather(*(one(i) for i in range(4))))


asyncio.run(single())
asyncio.run(refreshed())
asyncio.run(several())
