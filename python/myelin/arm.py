"""The arm segment: read the state, ask for start, pause, reset and stop, hold the lease, send chunks."""
import mmap
import os
import struct
import time
from collections import namedtuple

from . import layout
from .layout import ARM, CHUNK_SLOT, CONTROL_STATE, ERROR_BIT

# All of one control tick. Angles rad, the last joint is the gripper in m; temperatures degC, torques Nm.
ArmState = namedtuple(
    "ArmState",
    "state errors tick time_ns position velocity torque commanded_position motor_temperature_c chunk hold_reason",
)

_STATE_NAMES = {code: name for name, code in CONTROL_STATE.items()}
_STATE_START = ARM["state_sequence"].offset
_STATE_END = ARM["motor_fault"].offset + 4 * layout.MAX_DOF
_READ_ATTEMPTS = 1000
_FLAGS = ("START", "PAUSE", "RESET", "STOP")


class SegmentError(Exception):
    """The segment is missing, of another version, or its control process stopped in the middle of a write."""


class LeaseHeld(Exception):
    """Another process commands the arm."""


class Arm:
    """One arm's segment. Close it, or use it in a `with` statement."""

    def __init__(self, name=layout.DEFAULT_ARM_SEGMENT):
        try:
            fd = os.open("/dev/shm/" + name, os.O_RDWR)
        except FileNotFoundError:
            raise SegmentError(f'there is no segment "{name}": start myelin control first') from None
        try:
            self._memory = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        if len(self._memory) < layout.ARM_SEGMENT_BYTES or self._get("magic") != layout.ARM_MAGIC:
            raise SegmentError(f'"{name}" is not an arm segment')
        if self._get("version") != layout.ARM_LAYOUT_VERSION:
            raise SegmentError(f'"{name}" has layout {self._get("version")}, this module speaks {layout.ARM_LAYOUT_VERSION}')
        self.dof = self._get("dof")
        self.step_period_s = self._get("default_step_period_s") or 1 / 30
        self._pid = os.getpid()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Gives the lease back, if it is ours, and lets go of the segment. Can be called twice."""
        if not self._memory.closed:
            if self._get("lease_owner") == self._pid:
                self._set("lease_owner", 0)
            self._memory.close()

    def read(self):
        """The state of one whole control tick, as an ArmState."""
        for _ in range(_READ_ATTEMPTS):
            before = self._get("state_sequence")
            page = self._memory[:_STATE_END]
            if before % 2 == 0 and self._get("state_sequence") == before:
                break
        else:
            raise SegmentError("the control process stopped in the middle of writing its state")

        def field(name):
            values = _unpack(page, ARM[name])
            return values[0] if len(values) == 1 else values[: self.dof]

        code = field("control_state")
        errors = field("errors")
        return ArmState(
            state=_STATE_NAMES.get(code, code),
            errors=[name for name, bit in ERROR_BIT.items() if errors & bit],
            tick=field("tick"),
            time_ns=field("tick_ns"),
            position=field("position"),
            velocity=field("velocity"),
            torque=field("torque"),
            commanded_position=field("commanded_position"),
            motor_temperature_c=field("motor_temperature_c"),
            chunk=field("chunk_sequence_active"),
            hold_reason=field("hold_reason"),
        )

    def start(self):
        """Asks for RUNNING."""
        self._request("START")

    def pause(self):
        """Asks the arm to hold where it is."""
        self._request("PAUSE")

    def reset(self):
        """Asks the arm to move home."""
        self._request("RESET")

    def stop(self):
        """Stops the arm for good: it comes to rest, goes limp, and the control process ends."""
        self._request("STOP")

    def take_lease(self, name):
        """Becomes the commander. Raises LeaseHeld while another live process is."""
        owner = self._get("lease_owner")
        timeout_s = self._get("watchdog_timeout_s") or 1.0
        age_s = (time.monotonic_ns() - self._get("lease_heartbeat_ns")) / 1e9
        if owner not in (0, self._pid) and age_s < timeout_s and os.path.exists(f"/proc/{owner}"):
            holder = self._memory[ARM["lease_name"].offset :][: ARM["lease_name"].length].rstrip(b"\0").decode()
            raise LeaseHeld(f"the arm is commanded by {holder} (process {owner})")
        self._set("lease_owner", self._pid)
        self._set("lease_heartbeat_ns", float(time.monotonic_ns()))
        # Python has no compare-and-swap: who wrote last has it, and a moment later both can see who that is.
        time.sleep(0.005)
        if self._get("lease_owner") != self._pid:
            raise LeaseHeld(f"process {self._get('lease_owner')} took the lease at the same moment")
        text = name.encode()[: ARM["lease_name"].length]
        struct.pack_into(f"<{ARM['lease_name'].length}s", self._memory, ARM["lease_name"].offset, text)
        self.heartbeat()

    def heartbeat(self):
        """A sign of life; without one for a watchdog timeout (1 s) the arm is paused. `send` gives one too."""
        if self._get("lease_owner") != self._pid:
            raise LeaseHeld(f"the lease was lost to process {self._get('lease_owner')}")
        self._set("lease_heartbeat_ns", float(time.monotonic_ns()))
        self._set("inference_timestamp_s", time.time())

    def send(self, rows, step_period_s=None, start_in_s=0.0, timestep=0):
        """Publishes a chunk: `rows` of `dof` numbers, row 0 due in `start_in_s`, the next each `step_period_s` later.

        Returns its sequence number. Needs the lease.
        """
        self.heartbeat()
        rows = [tuple(row) for row in rows]
        dof = self.dof
        if not 1 <= len(rows) <= layout.MAX_CHUNK_ROWS or any(len(row) != dof for row in rows):
            raise ValueError(f"a chunk has 1 to {layout.MAX_CHUNK_ROWS} rows of {dof} numbers")
        now_ns = time.monotonic_ns()
        sequence = self._get("chunk_sequence") % 0xFFFFFFFF + 1
        base = layout.CHUNK_SLOTS_OFFSET + sequence % layout.CHUNK_SLOTS * layout.CHUNK_SLOT_BYTES
        header = struct.pack(
            "<4I4d",
            sequence,
            len(rows),
            dof,
            self._pid,
            now_ns + start_in_s * 1e9,
            self.step_period_s if step_period_s is None else step_period_s,
            now_ns,
            timestep,
        )
        actions = struct.pack(f"<{len(rows) * dof}d", *(number for row in rows for number in row))
        checksum = sum(sum(struct.unpack(f"<{len(part) // 4}I", part)) for part in (header, actions)) & 0xFFFFFFFF

        struct.pack_into("<I", self._memory, base, 0)
        start = base + CHUNK_SLOT["actions"].offset
        self._memory[start : start + len(actions)] = actions
        self._memory[base + 4 : base + len(header)] = header[4:]
        struct.pack_into("<I", self._memory, base + CHUNK_SLOT["checksum"].offset, checksum)
        struct.pack_into("<I", self._memory, base, sequence)
        self._set("chunk_sequence", sequence)
        return sequence

    def _request(self, name):
        struct.pack_into("<I", self._memory, ARM["request_flags"].offset + 4 * _FLAGS.index(name), 1)

    def _get(self, name):
        return _unpack(self._memory, ARM[name])[0]

    def _set(self, name, value):
        struct.pack_into("<" + ARM[name].format, self._memory, ARM[name].offset, value)


def _unpack(memory, field):
    return struct.unpack_from(f"<{field.length}{field.format}", memory, field.offset)
