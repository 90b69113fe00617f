"""A stock python-socketio client that does what an application does: socketio_client.py URL TOKEN TRANSPORT [CA]"""
import base64
import json
import queue
import sys

import requests
import socketio

url, token, transport = sys.argv[1:4]
session = requests.Session()
if len(sys.argv) > 4:
    session.verify = sys.argv[4]
    session.trust_env = False
pushed = queue.Queue()
client = socketio.Client(http_session=session)
client.on("recognition_result", pushed.put)
client.connect(url, auth={"token": token}, transports=[transport])

call = {"object": "robot", "method": "push", "args": {"event": "recognition_result", "data": {"count": 1}}}
report = {
    "update": client.call("update", {"data": base64.b64encode(b"x" * 300_000).decode()}, timeout=60),
    "start": client.call("start", {}, timeout=60),
    "process": client.call(
        "process", {"params": {"object": "robot", "method": "echo", "args": {"n": 7}}}, timeout=60
    ),
    "wrong": client.call("process", {"params": {}}, timeout=60),
    "stop": client.call("stop", timeout=60),
}
client.call("process", {"params": call}, timeout=60)
report["pushed"] = pushed.get(timeout=60)
client.disconnect()

try:
    socketio.Client(http_session=session).connect(url, auth={"token": "wrong"}, transports=[transport])
    report["refused"] = None
except socketio.exceptions.ConnectionError as error:
    report["refused"] = str(error)
print(json.dumps(report))
