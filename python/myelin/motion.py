"""Moves: each is a chunk that keeps to the limits, and a look at what the arm makes of it."""
import time

from . import trajectory
from .errors import ArmError, ArmHolds, ArmStopped, Interrupted, SegmentError

_POLL_S = 0.005
# So long after a chunk was published the control process must have taken it up.
_TAKEN_S = 0.5
# So long after its last row the arm must have arrived: the limiter follows a little behind.
_ARRIVED_S = 2.0
_TOLERANCE = 1e-4
_MOVING = 1e-3
_SILENT_NS = 1e9
_GRIPPER_LIMIT = 64
_NO_FRESH_ACTION, _COLLISION, _NO_FEEDBACK = 1, 5, 6


class Motion:
    """What an Arm can be told to do. All of it blocks until it is done, but for `send_chunk`."""

    def move_to(self, joints, duration=None):
        """Moves smoothly to `joints` (rad; with one more number, the gripper's opening in m) and waits until there.

        duration: at least so many seconds; longer when the limits need it. Default: as quick as they allow.
        Returns how long the move was planned to take, s.
        Raises ArmHolds when the arm is not RUNNING, is paused or held up; ArmStopped; LeaseHeld, LeaseLost;
        Interrupted when another command takes its place; ValueError for joints out of range.
        """
        self._command()
        state = self._at_rest()
        target = self._target(joints, state)
        rows, period_s = trajectory.minimum_jerk(state.commanded_position, target, self.limits, duration)
        self._carry_out(rows, period_s)
        return (len(rows) - 1) * period_s

    def gripper(self, opening, duration=None):
        """Opens or closes the gripper to `opening` (m) and waits. Returns the opening it came to: what stands between
        its fingers stops it, and is held."""
        self._command()
        state = self._at_rest()
        target = self._target(state.commanded_position[:-1] + (opening,), state)
        rows, period_s = trajectory.minimum_jerk(state.commanded_position, target, self.limits, duration)
        self._carry_out(rows, period_s)
        return self.read().position[-1]

    def send_chunk(self, rows, dt):
        """Lets the arm go along `rows` (each of all joints, or without the gripper), `dt` s apart, from now on, in
        place of what it did. Returns the number of the chunk at once; `wait(number)` waits for its end."""
        self._command()
        state = self._running()
        keep = state.commanded_position[-1:]
        return self.send([tuple(row) + (keep if len(row) == self.dof - 1 else ()) for row in rows], dt)

    def wait(self, chunk, seconds):
        """Waits until the chunk of that number, which takes `seconds`, is over. Raises as `move_to` does."""
        self._watch(chunk, seconds, None)

    def hold(self):
        """Lets the arm come to rest where it is, and waits for it. Does nothing when this process does not move it."""
        with self._lock:
            if not self._lease.held or not self._calm():
                return
        deadline = time.monotonic() + _ARRIVED_S
        while time.monotonic() < deadline:
            state = self.read()
            if state.state != "RUNNING" or not _moves(state):
                return
            time.sleep(_POLL_S)
        raise ArmHolds("the arm did not come to rest")

    # ---------------------------------------------------------------------------------------------------- innards

    def _target(self, joints, state):
        target = tuple(float(number) for number in joints)
        if len(target) == self.dof - 1:
            target += state.commanded_position[-1:]
        if len(target) != self.dof:
            raise ValueError(f"{len(target)} numbers for {self.dof - 1} joints (and the gripper)")
        for i, (value, low, high) in enumerate(zip(target, self.limits.position_min, self.limits.position_max)):
            # A joint that was found outside of its range may stay where it is.
            if not (low <= value <= high or abs(value - state.commanded_position[i]) <= _TOLERANCE):
                name = "the gripper" if i == self.dof - 1 else f"joint {i + 1}"
                raise ValueError(f"{name} is to go to {value:g}, but can go from {low:g} to {high:g}")
        return target

    def _running(self):
        state = self.read()
        if state.state in ("EMERGENCY_STOP", "DAMPING"):
            raise ArmStopped("the arm was stopped: start myelin control again")
        if state.state != "RUNNING":
            raise ArmHolds(f"the arm is {state.state}: call start() first")
        return state

    def _at_rest(self):
        """The state of a RUNNING arm, once it is at rest: a move begins there."""
        state = self._running()
        if _moves(state):
            self.hold()
            state = self._running()
        return state

    def _calm(self, only_busy=False):
        """Publishes what brings a RUNNING arm to rest. False when there is nothing to calm."""
        try:
            state = self.read()
            busy = state.chunk != 0 or _moves(state)
            if state.state != "RUNNING" or (only_busy and not busy):
                return False
            rows, period_s = trajectory.brake(state.commanded_position, state.commanded_velocity, self.limits)
            self.send(rows, period_s)
            return True
        except ArmError:
            return False  # It is gone or somebody else's, and holds without us.

    def _carry_out(self, rows, period_s):
        chunk = self.send(rows, period_s)
        self._watch(chunk, (len(rows) - 1) * period_s, rows[-1])

    def _watch(self, chunk, seconds, target):
        """Waits until the chunk is over, and has led to `target` if there is one."""
        try:
            self._follow(chunk, time.monotonic(), seconds, target)
        except Interrupted:
            raise  # What took its place is to go on.
        except BaseException:
            # Whatever else ends the wait, Ctrl-C too, ends the motion: nothing is to go on by itself later.
            with self._lock:
                if self._lease.held:
                    self._calm()
            raise

    def _follow(self, chunk, started_s, seconds, target):
        taken = gripped = False
        while True:
            time.sleep(_POLL_S)
            elapsed_s = time.monotonic() - started_s
            newest = self._value("chunk_sequence")
            if not self._lease.held:
                self.heartbeat()
            state = self._running()
            if time.monotonic_ns() - state.time_ns > _SILENT_NS:
                raise SegmentError("the control process is gone")
            if newest != chunk:
                raise Interrupted("another command took the place of this one")
            taken = taken or state.chunk == chunk
            gripped = gripped or bool(state.limits_hit & _GRIPPER_LIMIT)
            over = elapsed_s >= seconds
            if not taken:
                if elapsed_s > _TAKEN_S:
                    raise ArmHolds(f"the arm did not take the chunk up: {state.hold or 'no reason given'}")
                continue
            if over and not _moves(state) and self._there(state, target, gripped):
                return
            if state.hold_reason == _COLLISION:
                raise ArmHolds("the arm holds: the way leads into the table or the arm itself")
            if state.hold_reason not in (0, _NO_FEEDBACK) and not (over and state.hold_reason == _NO_FRESH_ACTION):
                raise ArmHolds(f"the arm holds: {state.hold}")
            if elapsed_s > seconds + _ARRIVED_S:
                raise ArmHolds(f"the arm did not arrive: it is at {_text(state.commanded_position)}")

    def _there(self, state, target, gripped):
        if target is None:
            return True
        period_s = 1 / self._value("control_frequency_hz")
        for i, (at, wanted) in enumerate(zip(state.commanded_position, target)):
            # At the edge of its range a joint stops a little earlier.
            span = self.limits.position_max[i] - self.limits.position_min[i]
            margin = 2 * (1e-6 * span + self.limits.jerk[i] * period_s**3)
            if abs(at - wanted) > _TOLERANCE + margin and not (gripped and i == self.dof - 1):
                return False
        return True


def _moves(state):
    return any(abs(v) > _MOVING for v in state.commanded_velocity)


def _text(vector):
    return "(" + ", ".join(f"{value:.3f}" for value in vector) + ")"
