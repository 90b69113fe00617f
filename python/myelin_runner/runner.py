"""The life of the process: load the project, then run its calls one after the other on the main thread."""
import atexit
import os
import sys
import threading

from .link import Link
from .project import CallUnknown, Project
from .failures import describe
from .values import Unserialisable


def main():
    folder, entry = sys.argv[1], sys.argv[2]
    del sys.argv[1:]
    sys.argv[0] = os.path.join(folder, entry)
    link = Link(3, 4, 5)
    project = Project(folder, entry, link.push)
    closing = threading.Event()
    # Beside the loading and the calls: a stop overtakes, and the end of the pipe ends us at once.
    threading.Thread(target=_obey, args=(link, project, closing), name="myelin-link", daemon=True).start()
    try:
        project.load()
    except BaseException as error:  # noqa: B902 - a project may leave with SystemExit
        link.send({"type": "error", "id": None, "error": describe(error, folder)})
        _leave(1)
    link.send({"type": "ready", "objects": project.objects(), "functions": project.functions(), "ahead": True})
    while True:
        message = link.next_call()
        if message is None:
            os._exit(0)
        # Calls that were sent ahead of a close are not begun any more.
        if message["type"] == "close" or closing.is_set():
            _leave(0)
        _run(link, project, folder, message)


def _obey(link, project, closing):
    while True:
        message = link.next_order()
        if message is None:
            # The worker is gone. Nobody would hear what the project still does, so it ends, whatever it is in.
            os._exit(0)
        if message["type"] == "stop":
            threading.Thread(target=_stop, args=(link, project, message), name="myelin-stop", daemon=True).start()
        elif message["type"] == "close":
            closing.set()


def _run(link, project, folder, message):
    number = message["id"]
    try:
        value = project.call(message.get("object"), message["method"], message.get("args", {}))
        link.send({"type": "result", "id": number, "value": value})
    except CallUnknown as error:
        link.send({"type": "error", "id": number, "unknown": error.what, "known": error.known})
    except Unserialisable as error:
        # The value is at fault, not a line of the project: a traceback would only show ours.
        text = "%s %s" % (project.name_of(message), error)
        link.send({"type": "error", "id": number, "error": {"type": "TypeError", "message": text, "traceback": ""}})
    except BaseException as error:  # noqa: B902 - sys.exit() in a method is a failed call, not the end
        link.send({"type": "error", "id": number, "error": describe(error, folder)})


def _stop(link, project, message):
    called, failed = project.stop()
    link.send({"type": "result", "id": message["id"], "value": {"called": called, "failed": failed}})


def _leave(code):
    """Ends without waiting for the project's threads; what it registered for its end still runs."""
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: B902
        pass  # Leaving is all that is left to do.
    os._exit(code)
