"""A stock pyzmq peer in the documented message shapes, and nothing else: zmq_worker.py COMMAND_SOCKET CALLBACK_SOCKET"""
import base64
import io
import json
import sys
import zipfile

import zmq

command_socket, callback_socket = sys.argv[1:3]
context = zmq.Context()
commands = context.socket(zmq.REQ)
commands.connect(command_socket)
callbacks = context.socket(zmq.SUB)
callbacks.setsockopt_string(zmq.SUBSCRIBE, "")
callbacks.connect(callback_socket)
for one in (commands, callbacks):
    one.setsockopt(zmq.RCVTIMEO, 60_000)
    one.setsockopt(zmq.LINGER, 0)

MAIN = """
push_message = None
class SportClient:
    def StandUp(self, height=1):
        push_message("stood", {"height": height})
        return {"standing": True, "height": height}
sport_client = SportClient()
"""


def ask(command, data=None, params=None):
    commands.send_json({"command": command, "data": data or {}, "params": params or {}})
    return commands.recv_json()


def published(kind):
    while True:
        message = callbacks.recv_json()
        if message["type"] == kind:
            return message


archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as project:
    project.writestr("main.py", MAIN)
encoded = base64.b64encode(archive.getvalue()).decode()

report = {"status": published("status")}  # A subscriber that is late misses nothing from here on.
report["update"] = ask("update", {"data": encoded})
report["again"] = ask("update", {"zip_data": encoded})
report["start"] = ask("start")
stand_up = {"object": "sport_client", "method": "StandUp", "args": {"height": 2}}
report["process"] = ask("process", params=stand_up)
report["callback"] = published("callback")
ask("process", params={"object": "sport_client", "method": "StandUp", "args": [3]})
report["push"] = published("push")
report["positions"] = published("callback")
ask("process", params={"object": "sport_client", "method": "SitDown", "args": {}})
report["unknown"] = published("callback")
report["no_params"] = ask("process")
report["no_command"] = ask("explode")
commands.send(b"\xff not JSON")
report["no_json"] = commands.recv_json()
report["zmq"] = zmq.zmq_version()
print(json.dumps(report))
