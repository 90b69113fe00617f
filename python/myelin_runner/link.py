"""JSON lines over pipes: calls come on one, what must not wait for a call on another, everything goes out on a third."""
import json
import os
import threading

from .values import Unserialisable, encode

MOST_BYTES = 8 * 1024 * 1024
RESERVED_EVENTS = ("callback",)


class Link:
    def __init__(self, calls_fd, write_fd, orders_fd):
        for fd in (calls_fd, write_fd, orders_fd):
            os.set_inheritable(fd, False)  # What the project starts must not speak for it.
        self._calls = os.fdopen(calls_fd, "rb", buffering=1 << 16)
        self._orders = os.fdopen(orders_fd, "rb", buffering=1 << 10)
        self._fd = write_fd
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def next_call(self):
        """Waits for the next message that is to be dealt with in its turn. None when the other end is closed."""
        return _message(self._calls.readline())

    def next_order(self):
        """The same, of those that overtake calls."""
        return _message(self._orders.readline())

    def send(self, message):
        """Writes one message. @raises Unserialisable when JSON cannot carry it, or when it is too long."""
        if os.getpid() != self._pid and message["type"] != "push":
            os._exit(0)  # A fork of the project came back from the call that made it. Only the original answers.
        line = encode(message).encode("ascii") + b"\n"
        if len(line) > MOST_BYTES:
            raise Unserialisable("returned %d bytes of JSON; the most is %d" % (len(line), MOST_BYTES))
        view = memoryview(line)
        with self._lock:
            while view:
                view = view[os.write(self._fd, view) :]

    def push(self, event, data=None):
        """`push_message(event, data)`: sends an event to every client. May be called from any thread."""
        if not isinstance(event, str) or not 0 < len(event) <= 200:
            raise ValueError("push_message needs the name of an event, 1 to 200 characters")
        if event in RESERVED_EVENTS:
            raise ValueError('the event "%s" is reserved for results' % event)
        try:
            self.send({"type": "push", "event": event, "data": data})
        except Unserialisable as error:
            raise ValueError('the data of push_message("%s") %s' % (event, str(error).replace("returned", "has"))) from None


def _message(line):
    return json.loads(line) if line.endswith(b"\n") else None
