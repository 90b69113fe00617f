"""The project that runs when none was uploaded.

Every object made at the bottom of this file can be called from outside by its name:

    {"object": "sport_client", "method": "StandUp", "args": {}}

What a method returns is the answer. Change this file in storage/projects/default/ and start again, or upload a
project of your own; nothing here needs more than Python's standard library.
"""

import threading
import time

# Set by the runner before the first call: push_message(event, data) sends an event to every client.
push_message = None


def push(event, data):
    if push_message is not None:
        push_message(event, data)


def success(message, **data):
    return {"status": "success", "message": message, **data}


class SportClient:
    """Postures by name. Keeps the posture and tells it; the arm is left alone."""

    def __init__(self):
        self.posture = "down"

    def StandUp(self):
        return self._take("standing")

    def StandDown(self):
        return self._take("down")

    def BalanceStand(self):
        return self._take("balanced")

    def Sit(self):
        return self._take("sitting")

    def Damp(self):
        return self._take("damped")

    def StopMove(self):
        return self._take(self.posture)

    def GetState(self):
        return success("state", posture=self.posture)

    def _take(self, posture):
        before, self.posture = self.posture, posture
        return success(posture, posture=posture, before=before)


class RobotController:
    """The three kinds of work: at once, a few seconds, and in the background with results pushed as events."""

    def __init__(self):
        self.mode = "idle"
        self._thread = None
        self._leave = threading.Event()

    def prepare_mode(self):
        self.mode = "prepare"
        return success("prepared", mode=self.mode)

    def get_status(self):
        return success("status", mode=self.mode, counting=self.counting)

    def medium_task(self, seconds=2.0):
        """The caller waits for this one."""
        time.sleep(max(0.0, min(float(seconds), 10.0)))
        return success("done", seconds=seconds)

    def start_long_task(self, steps=5, period=1.0):
        """Answers at once; `task_progress` and `task_completed` follow as events."""
        if self.counting:
            return {"status": "error", "message": "a task is running already"}
        self._leave.clear()
        self._thread = threading.Thread(target=self._count, args=(int(steps), float(period)), daemon=True)
        self._thread.start()
        return success("started", steps=steps)

    @property
    def counting(self):
        return self._thread is not None and self._thread.is_alive()

    def stop(self):
        """Called by the system when the client goes away, and by anybody who wants it to stop."""
        self._leave.set()
        if self._thread is not None:
            self._thread.join(timeout=1.5)
        self.mode = "idle"
        return success("stopped")

    def _count(self, steps, period):
        try:
            for step in range(1, steps + 1):
                if self._leave.wait(period):
                    push("task_stopped", {"step": step, "steps": steps})
                    return
                push("task_progress", {"step": step, "steps": steps})
            push("task_completed", {"steps": steps})
        except Exception as error:
            push("task_error", {"message": str(error)})


sport_client = SportClient()
robot_controller = RobotController()


def ping(text="pong"):
    """A function of the module: called with no object."""
    return success(text)
