"""The arm segment: read the state, ask for start, pause, reset and stop, hold the lease, send chunks."""
import os
import struct
import threading
import time
from collections import namedtuple

from . import layout
from .camera import Camera
from .errors import ArmError, ArmHolds, LeaseHeld, SegmentError
from .layout import ARM, CHUNK_SLOT, CONTROL_STATE, ERROR_BIT
from .lease import Lease
from .memory import Memory, fence
from .motion import Motion
from .trajectory import Limits

# All of one control tick. Angles rad, the last joint is the gripper in m; temperatures degC, torques Nm. `hold` says
# why the arm holds, in words; None when it does not.
ArmState = namedtuple(
    "ArmState",
    "state errors tick time_ns position velocity torque commanded_position commanded_velocity motor_temperature_c"
    " chunk hold hold_reason limits_hit",
)

_STATE_NAMES = {code: name for name, code in CONTROL_STATE.items()}
_HOLDS = (None, "no fresh action", "watchdog", "paused", "chunk refused", "collision", "no feedback")
_STATE_END = ARM["motor_fault"].offset + 4 * layout.MAX_DOF
_READ_ATTEMPTS = 1000
_FLAGS = ("START", "PAUSE", "RESET", "STOP")
_BEAT_S = 0.04
_SILENT_S = 1.0
_POLL_S = 0.005


class Arm(Motion):
    """One arm's segment. Close it, or use it in a `with` statement. One of them a process.

    name: the segment; by default the one that Myelin gives this project, else "arx5_control".
    idle_s: the lease is given back when nothing was asked of the arm for so long, so that a program that hangs keeps
    nobody out.
    """

    def __init__(self, name=None, idle_s=10.0):
        environment = os.environ
        if name is None and "MYELIN_PROJECT" in environment and "MYELIN_SEGMENT" not in environment:
            why = environment.get("MYELIN_ARM_REFUSED", "it was given none")
            raise LeaseHeld(f"project {environment['MYELIN_PROJECT']} may not drive the arm: {why}")
        self.name = name or environment.get("MYELIN_SEGMENT") or layout.DEFAULT_ARM_SEGMENT
        self._idle_s = idle_s
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._keeper = None
        self._used_s = time.monotonic()
        self._cameras = {}
        self._memory = None
        self._attach()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Lets the arm come to rest, gives the lease back, and lets go of the segment. Can be called twice."""
        with self._lock:
            if self._closed.is_set():
                return
            self.release()
            self._closed.set()
            for camera in self._cameras.values():
                camera.close()
            self._memory.close()

    # ---------------------------------------------------------------------------------------------------- reading

    @property
    def state(self):
        """The state of one whole control tick, as an ArmState."""
        return self.read()

    def read(self):
        """The state of one whole control tick, as an ArmState."""
        with self._lock:
            self._attach()
            self._used_s = time.monotonic()
            memory = self._memory
            for _ in range(_READ_ATTEMPTS):
                before = memory.get(ARM["state_sequence"])
                page = bytes(memory.bytes[:_STATE_END])
                fence()
                if before % 2 == 0 and memory.get(ARM["state_sequence"]) == before:
                    break
            else:
                raise SegmentError("the control process stopped in the middle of writing its state")

        def field(name):
            values = struct.unpack_from(f"<{ARM[name].length}{ARM[name].format}", page, ARM[name].offset)
            return values[0] if len(values) == 1 else values[: self.dof]

        code, errors, hold = field("control_state"), field("errors"), field("hold_reason")
        return ArmState(
            state=_STATE_NAMES.get(code, code),
            errors=[name for name, bit in ERROR_BIT.items() if errors & bit],
            tick=field("tick"),
            time_ns=field("tick_ns"),
            position=field("position"),
            velocity=field("velocity"),
            torque=field("torque"),
            commanded_position=field("commanded_position"),
            commanded_velocity=field("commanded_velocity"),
            motor_temperature_c=field("motor_temperature_c"),
            chunk=field("chunk_sequence_active"),
            hold=_HOLDS[hold] if hold < len(_HOLDS) else f"reason {hold}",
            hold_reason=hold,
            limits_hit=field("limits_hit"),
        )

    def camera(self, name):
        """A camera of this machine; `camera("wrist").read()` is its newest picture."""
        with self._lock:
            if name not in self._cameras:
                self._cameras[name] = Camera(name)
            return self._cameras[name]

    # --------------------------------------------------------------------------------------------------- requests

    def start(self, timeout=3.0):
        """Asks for RUNNING and waits for it. Raises ArmHolds when it is refused. Takes the lease if nobody has it."""
        with self._lock:
            self._attach()
            if self._lease.holder() is None:
                self._command()
        self._ask("START", "RUNNING", timeout)

    def pause(self, timeout=3.0):
        """Asks the arm to hold where it is, and waits for it. Only `start()` lets it move again."""
        self._ask("PAUSE", "PAUSED", timeout)

    def reset(self, timeout=60.0):
        """Asks the arm to move home, and waits until it is there. Only `start()` lets it move again."""
        self._ask("RESET", "IDLE", timeout)

    def stop(self):
        """Stops the arm for good: it comes to rest, goes limp, and the control process ends. Does not wait."""
        self._request("STOP")

    # ------------------------------------------------------------------------------------------------------ lease

    def take_lease(self, name=None):
        """Becomes the commander. Raises LeaseHeld while another live process is. Moves do this by themselves.

        In a project everyone sees it as "project NAME", whatever `name` says.
        """
        project = os.environ.get("MYELIN_PROJECT")
        with self._lock:
            self._attach()
            self._used_s = time.monotonic()
            hold_timeout_s = self._memory.get(ARM["command_timeout_s"]) or 0.2
            self._lease.take(name or "a Python script" if project is None else f"project {project}", hold_timeout_s)
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = threading.Thread(target=self._keep, name="myelin-lease", daemon=True)
                self._keeper.start()

    def release(self):
        """Lets the arm come to rest and gives the lease back."""
        with self._lock:
            if self._lease.held:
                self._calm(only_busy=True)
                self._lease.release()

    def heartbeat(self):
        """A sign of life. Given by itself while this object has the lease. Raises LeaseLost when it was lost."""
        with self._lock:
            self._lease.beat()

    # ----------------------------------------------------------------------------------------------------- chunks

    def send(self, rows, step_period_s=None, start_in_s=0.0, timestep=0):
        """Publishes a chunk: `rows` of `dof` numbers, row 0 due in `start_in_s`, the next each `step_period_s` later.

        Returns its sequence number at once. Needs the lease.
        """
        rows = [tuple(row) for row in rows]
        dof = self.dof
        if not 1 <= len(rows) <= layout.MAX_CHUNK_ROWS or any(len(row) != dof for row in rows):
            raise ValueError(f"a chunk has 1 to {layout.MAX_CHUNK_ROWS} rows of {dof} numbers")
        period_s = self.step_period_s if step_period_s is None else step_period_s
        with self._lock:
            self._used_s = time.monotonic()
            memory = self._memory
            self._lease.beat()
            now_ns = time.monotonic_ns()
            sequence = memory.get(ARM["chunk_sequence"]) % 0xFFFFFFFF + 1
            base = layout.CHUNK_SLOTS_OFFSET + sequence % layout.CHUNK_SLOTS * layout.CHUNK_SLOT_BYTES
            start_ns = now_ns + start_in_s * 1e9
            header = struct.pack(
                "<4I4d", sequence, len(rows), dof, self._lease.id, start_ns, period_s, now_ns, timestep
            )
            actions = struct.pack(f"<{len(rows) * dof}d", *(number for row in rows for number in row))
            checksum = sum(sum(struct.unpack(f"<{len(part) // 4}I", part)) for part in (header, actions)) & 0xFFFFFFFF

            memory.set(CHUNK_SLOT["slot_sequence"], 0, base)
            fence()
            start = base + CHUNK_SLOT["actions"].offset
            memory.bytes[start : start + len(actions)] = actions
            memory.bytes[base + 4 : base + len(header)] = header[4:]
            memory.set(CHUNK_SLOT["checksum"], checksum, base)
            fence()
            memory.set(CHUNK_SLOT["slot_sequence"], sequence, base)
            fence()
            memory.set(ARM["chunk_sequence"], sequence)
            return sequence

    # ---------------------------------------------------------------------------------------------------- innards

    def _attach(self):
        """Opens the segment, and the newer one that has taken its place when the control process was started anew."""
        if self._closed.is_set():
            raise ArmError("this Arm was closed")
        if self._memory is not None and self._memory.current:
            return
        try:
            memory = Memory("/dev/shm/" + self.name, writable=True)
        except FileNotFoundError:
            if self._memory is not None:
                raise SegmentError(f'the control process of "{self.name}" is gone: start myelin control again') from None
            raise SegmentError(f'there is no segment "{self.name}": start myelin control first') from None
        problem = None
        if memory.size < layout.ARM_SEGMENT_BYTES or memory.get(ARM["magic"]) != layout.ARM_MAGIC:
            problem = f'"{self.name}" is not an arm segment'
        elif memory.get(ARM["version"]) != layout.ARM_LAYOUT_VERSION:
            version = memory.get(ARM["version"])
            problem = f'"{self.name}" has layout {version}, this module speaks {layout.ARM_LAYOUT_VERSION}'
        if problem is not None:
            memory.close()
            raise SegmentError(problem)
        if self._memory is not None:
            self._memory.close()
        self._memory = memory
        self._lease = Lease(memory)
        self.dof = memory.get(ARM["dof"])
        self.step_period_s = memory.get(ARM["default_step_period_s"]) or 1 / 30
        vector = lambda name: memory.get(ARM[name])[: self.dof]  # noqa: E731
        self.limits = Limits(
            vector("position_min"),
            vector("position_max"),
            vector("velocity_max"),
            vector("acceleration_max"),
            vector("jerk_max"),
            vector("home"),
        )

    def _command(self):
        """Makes sure of the segment, of a control process that lives, and of the lease."""
        with self._lock:
            self._attach()
            age_s = (time.monotonic_ns() - self._memory.get(ARM["tick_ns"])) / 1e9
            if age_s > _SILENT_S:
                raise SegmentError(f'the control process of "{self.name}" has been silent for {age_s:.1f} s')
            if not self._lease.held:
                self.take_lease()
            self._used_s = time.monotonic()

    def _keep(self):
        """Gives heartbeats as long as this process runs and somebody uses the arm."""
        while not self._closed.wait(_BEAT_S):
            with self._lock:
                if self._closed.is_set():
                    return
                if time.monotonic() - self._used_s > self._idle_s:
                    self.release()
                try:
                    self._lease.beat()
                except LeaseHeld:
                    return  # Given back or lost: the next command says which.

    def _value(self, name):
        with self._lock:
            self._attach()
            return self._memory.get(ARM[name])

    def _request(self, name):
        with self._lock:
            self._attach()
            self._used_s = time.monotonic()
            self._memory.words[ARM["request_flags"].offset // 4 + _FLAGS.index(name)] = 1

    def _ask(self, name, wanted, timeout):
        index = _FLAGS.index(name)
        before = self._value("requests_refused")[index], self._value("requests_handled")[index]
        self._request(name)
        deadline = time.monotonic() + timeout
        while True:
            state = self.read()
            handled = self._value("requests_handled")[index] != before[1]
            if state.state == wanted and (handled or name != "RESET"):
                return
            if self._value("requests_refused")[index] != before[0] and state.state != wanted:
                raise ArmHolds(f"{name} was refused: the arm is {state.state}")
            if time.monotonic() > deadline:
                raise ArmHolds(f"the arm is {state.state}, not {wanted}, {timeout:g} s after {name}")
            time.sleep(_POLL_S)


def connect(name=None, wait=5.0, idle_s=10.0):
    """The arm, waiting up to `wait` s for its control process. See Arm."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return Arm(name, idle_s)
        except SegmentError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
