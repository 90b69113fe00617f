"""The right to command the arm: one process at a time has it, and gives signs of life."""
import os
import random
import re
import time

from .errors import LeaseHeld, LeaseLost
from .layout import ARM

_NO_PROCESS = 1 << 31
_drawn = []


def commander_id(memory):
    """What this process calls itself in the segment.

    A project behind a sandbox counts processes otherwise than everyone else, so the worker tells it the process id
    that it has outside. Without that, in a foreign PID namespace, it is a number that is nobody's process id.
    """
    given = os.environ.get("MYELIN_COMMANDER", "")
    if re.match(r"[1-9]\d{0,9}\Z", given) and int(given) < 1 << 32:
        return int(given)
    if _same_numbers(memory):
        return os.getpid()
    if not _drawn:
        _drawn.append(random.SystemRandom().randrange(_NO_PROCESS, 1 << 32))
    return _drawn[0]


class Lease:
    def __init__(self, memory):
        self._memory = memory
        self.id = commander_id(memory)

    @property
    def held(self):
        """Whether it is this process that commands."""
        return self._memory.get(ARM["lease_owner"]) == self.id

    def holder(self):
        """Who else commands, in words; None when nobody does."""
        memory = self._memory
        owner = memory.get(ARM["lease_owner"])
        timeout_s = memory.get(ARM["watchdog_timeout_s"]) or 1.0
        age_s = (time.monotonic_ns() - memory.get(ARM["lease_heartbeat_ns"])) / 1e9
        if owner in (0, self.id) or not -timeout_s <= age_s < timeout_s or not self._may_live(owner):
            return None
        name = memory.get(ARM["lease_name"])
        return name if owner >= _NO_PROCESS else f"{name} (process {owner})"

    def take(self, name, hold_timeout_s):
        """Becomes the commander. Raises LeaseHeld while another live process is."""
        memory = self._memory
        try:
            # Python has no compare-and-swap. Those who have one look at the word after they have written it.
            with memory.exclusively():
                holder = self.holder()
                if holder is not None:
                    raise LeaseHeld(f"the arm is commanded by {holder}; wait until it ends, or end it")
                memory.set(ARM["lease_owner"], self.id)
                memory.set(ARM["lease_heartbeat_ns"], float(time.monotonic_ns()))
                memory.set(ARM["hold_timeout_s"], hold_timeout_s)
                memory.set(ARM["lease_name"], name)
        except TimeoutError:
            raise LeaseHeld("another process is taking the lease at this moment; try again") from None
        self.beat()

    def beat(self):
        """A sign of life. Raises LeaseLost when somebody else commands."""
        memory = self._memory
        owner = memory.get(ARM["lease_owner"])
        if owner != self.id:
            raise LeaseLost(f"the lease was lost to {self.holder() or 'nobody: it was given back'}")
        memory.set(ARM["lease_heartbeat_ns"], float(time.monotonic_ns()))
        memory.set(ARM["inference_timestamp_s"], time.time())

    def release(self):
        """Gives it back. Does nothing when it was lost."""
        try:
            with self._memory.exclusively():
                if self.held:
                    self._memory.set(ARM["lease_owner"], 0)
        except TimeoutError:
            pass  # Somebody is taking it at this moment, or it lapses by itself.

    def _may_live(self, owner):
        if owner >= _NO_PROCESS or not _same_numbers(self._memory):
            return True
        return os.path.exists(f"/proc/{owner}")


def _same_numbers(memory):
    theirs = memory.get(ARM["pid_namespace"])
    return theirs in (0, _pid_namespace())


def _pid_namespace():
    try:
        return int(os.readlink("/proc/self/ns/pid")[5:-1])
    except (OSError, ValueError):
        return 0
