"""A remote control of the same shape in Python, for `myelin bench remote`.

FastAPI and python-socketio in one process, the worker that runs user code in another, joined by ZeroMQ over `ipc://`:
REQ/REP for commands, PUB/SUB for callbacks. It forwards what Myelin forwards and does nothing else: no tokens, no
lease, no sandbox, no checks of the archive, no versions, nothing synced to the disk. `stop` is answered in the gateway
itself, by one byte in shared memory.

  remote_rival.py FOLDER    prints {"port": n} once both processes serve; both end when its standard input does

Python 3.10 or newer with fastapi, uvicorn (uvloop, httptools and websockets with it), python-socketio and pyzmq.
"""

import asyncio
import base64
import contextlib
import importlib.util
import io
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile

import zmq

MOST_MESSAGE_BYTES = 200 * 1024 * 1024


def addresses(folder):
    return f"ipc://{folder}/command.ipc", f"ipc://{folder}/callback.ipc"


# The worker: one thread, one command after the other.


class Project:
    """User code in `current/`: global instances are objects, module functions need none."""

    def __init__(self, folder):
        self.folder = folder
        self.module = None

    def update(self, text):
        new = f"{self.folder}.new"
        shutil.rmtree(new, ignore_errors=True)
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(text))) as archive:
            archive.extractall(new)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.rename(new, self.folder)
        self.module = None
        return {"files": len(os.listdir(self.folder))}

    def start(self):
        spec = importlib.util.spec_from_file_location("main", os.path.join(self.folder, "main.py"))
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        return {}

    def process(self, params):
        if self.module is None:
            self.start()
        owner = getattr(self.module, params["object"]) if params.get("object") else self.module
        method = getattr(owner, params["method"])
        args = params.get("args", {})
        return method(*args) if isinstance(args, list) else method(**args)


def worker(folder):
    command_address, callback_address = addresses(folder)
    context = zmq.Context()
    commands = context.socket(zmq.REP)
    commands.bind(command_address)
    callbacks = context.socket(zmq.PUB)
    callbacks.bind(callback_address)
    project = Project(os.path.join(folder, "current"))

    def carry_out(message):
        try:
            if message["command"] == "update":
                result = project.update(message["data"])
            elif message["command"] == "start":
                result = project.start()
            else:
                result = project.process(message["params"])
            return {"status": "success", "message": "done", "data": result}
        except Exception as error:
            return {"status": "error", "message": f"{type(error).__name__}: {error}", "data": {}}

    while True:
        message = json.loads(commands.recv())
        if message.get("reply") == "ack":
            commands.send(json.dumps({"status": "success", "message": "accepted", "data": {}}).encode())
            answer = {**carry_out(message), "status": "callback", "id": message.get("id")}
            callbacks.send(json.dumps({"type": "callback", "data": answer}).encode())
        else:
            commands.send(json.dumps(carry_out(message)).encode())


# The gateway.


def gateway(folder):
    import socketio
    import uvicorn
    import zmq.asyncio
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect

    command_address, callback_address = addresses(folder)
    with open(os.path.join(folder, "stop"), "wb") as file:
        file.write(b"\0" * 4096)
    flags = mmap.mmap(os.open(os.path.join(folder, "stop"), os.O_RDWR), 4096)
    context = zmq.asyncio.Context()
    clients = set()
    sio = socketio.AsyncServer(
        async_mode="asgi", cors_allowed_origins="*", max_http_buffer_size=MOST_MESSAGE_BYTES, ping_timeout=60
    )
    state = {}

    def stop():
        flags[0] = 1
        return {"status": "success", "message": "stopped", "data": {}}

    async def send(message):
        # A REQ socket takes the next command when the answer to the one before it is there.
        async with state["lock"]:
            await state["commands"].send(json.dumps(message).encode())
            return json.loads(await state["commands"].recv())

    async def callbacks():
        subscriber = context.socket(zmq.SUB)
        subscriber.connect(callback_address)
        subscriber.subscribe(b"")
        while True:
            text = json.dumps(json.loads(await subscriber.recv())["data"])
            for client in list(clients):
                await client.send_text(text)

    async def tell_port():
        await send({"command": "process", "params": {"method": "nothing"}})  # Whatever the answer, the worker is there.
        while not server.started:
            await asyncio.sleep(0.01)
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        state["lock"] = asyncio.Lock()
        state["commands"] = context.socket(zmq.REQ)
        state["commands"].connect(command_address)
        state["tasks"] = [asyncio.create_task(callbacks()), asyncio.create_task(tell_port())]
        yield

    app = FastAPI(lifespan=lifespan)

    @sio.on("update")
    async def update(_sid, payload):
        return await send({"command": "update", "data": payload.get("data") or payload.get("zip_data")})

    @sio.on("start")
    async def start(_sid, _payload=None):
        return await send({"command": "start"})

    @sio.on("process")
    async def process(_sid, payload):
        return await send({"command": "process", "params": payload["params"]})

    @sio.on("stop")
    async def on_stop(_sid, _payload=None):
        return stop()

    async def serve(client, message):
        if message["command"] == "stop":
            answer = stop()
        elif message["command"] == "process":
            answer = await send({**message, "reply": "ack"})
        else:
            answer = await send({"command": message["command"], "data": message.get("data") or message.get("zip_data")})
        await client.send_text(json.dumps({**answer, "id": message.get("id")}))

    @app.websocket("/ws")
    async def plain(client: WebSocket):
        await client.accept()
        clients.add(client)
        tasks = set()
        try:
            while True:
                task = asyncio.create_task(serve(client, json.loads(await client.receive_text())))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except WebSocketDisconnect:
            clients.discard(client)

    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        socketio.ASGIApp(sio, app),
        log_level="warning",
        access_log=False,
        ws_max_size=MOST_MESSAGE_BYTES,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listening])


def until_alone():
    """Ends this process when whoever started it does."""
    sys.stdin.read()
    os._exit(0)


def main(folder, role="gateway"):
    threading.Thread(target=until_alone, daemon=True).start()
    if role == "worker":
        return worker(folder)
    # The pipe closes when this process ends, however it ends.
    _child = subprocess.Popen([sys.executable, __file__, folder, "worker"], stdin=subprocess.PIPE)
    gateway(folder)


main(*sys.argv[1:])
