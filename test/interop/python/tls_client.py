"""HTTPS by the standard library and wss by `websockets`, of a gateway with a certificate: tls_client.py URL TOKEN CA"""
import asyncio
import json
import ssl
import sys
import urllib.error
import urllib.request

import websockets

url, token, ca = sys.argv[1:4]
trusting = ssl.create_default_context(cafile=ca)
headers = {"Authorization": "Bearer " + token}


def https(path, context=trusting):
    request = urllib.request.Request(url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return type(error.reason).__name__


async def wss():
    address = url.replace("https", "wss") + "/ws"
    async with websockets.connect(address, ssl=trusting, additional_headers=headers) as socket:
        await socket.send(json.dumps({"command": "process", "id": 1, "params": {"object": "robot", "method": "echo", "args": [7]}}))
        return [json.loads(await asyncio.wait_for(socket.recv(), 60)) for _ in range(2)]


print(
    json.dumps(
        {
            "ready": https("/readyz"),
            "status": https("/api/status"),
            "untrusting": https("/readyz", ssl.create_default_context()),
            "wss": asyncio.run(wss()),
        }
    )
)
