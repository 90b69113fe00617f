"""Moves from rest to rest: pure arithmetic, the same in every language of Myelin."""
import math
from collections import namedtuple

# Of each joint, in rad, rad/s, ...; the gripper's in m. Plain sequences.
Limits = namedtuple("Limits", "position_min position_max velocity acceleration jerk home")

# Part of the limits of velocity, acceleration and jerk that a move uses: the rest is for going along its rows.
SHARE = 0.8
# Time between rows, s, where the longest chunk allows.
ROW_PERIOD_S = 0.02
MOST_INTERVALS = 127
LONGEST_S = 127.0

# Largest derivatives of 10s^3 - 15s^4 + 6s^5 over unit time (T. Flash, N. Hogan, 1985).
_PEAK_VELOCITY = 15 / 8
_PEAK_ACCELERATION = 10 / math.sqrt(3)
_PEAK_JERK = 60


def shortest_duration(start, target, limits):
    """The least time in s that a move may take; its slowest joint decides."""
    duration = 0.0
    for i, (a, b) in enumerate(zip(start, target)):
        distance = abs(b - a)
        if distance == 0:
            continue
        duration = max(
            duration,
            _PEAK_VELOCITY * distance / (SHARE * limits.velocity[i]),
            math.sqrt(_PEAK_ACCELERATION * distance / (SHARE * limits.acceleration[i])),
            (_PEAK_JERK * distance / (SHARE * limits.jerk[i])) ** (1 / 3),
        )
    return duration


def minimum_jerk(start, target, limits, duration=None):
    """Rows from `start` to `target` and the time between them in s; the last row is exactly `target`.

    All joints begin and end together and at rest. A duration that the limits do not allow becomes the shortest one
    they do; without one it is that.
    """
    duration = max(shortest_duration(start, target, limits), duration or 0.0)
    if not duration <= LONGEST_S:
        raise ValueError(f"a move takes at most {LONGEST_S:.0f} s, not {duration:.1f} s")
    intervals, period = _rows(duration)
    rows = [tuple(a + _along(k / intervals) * (b - a) for a, b in zip(start, target)) for k in range(intervals)]
    return rows + [tuple(target)], period


def brake(position, velocity, limits):
    """Rows that bring a moving arm to rest, and the time between them in s."""
    duration = 0.0
    for i, v in enumerate(velocity):
        if v == 0:
            continue
        duration = max(
            duration,
            1.5 * abs(v) / (SHARE * limits.acceleration[i]),
            math.sqrt(6 * abs(v) / (SHARE * limits.jerk[i])),
        )
    intervals, period = _rows(duration)
    rows = []
    for k in range(intervals + 1):
        s = k / intervals
        # The velocity falls along 1 - 3s^2 + 2s^3.
        share = duration * (s - s**3 + s**4 / 2)
        rows.append(
            tuple(
                min(max(p + share * v, low), high)
                for p, v, low, high in zip(position, velocity, limits.position_min, limits.position_max)
            )
        )
    return rows, period


def _along(s):
    return s * s * s * (10 + s * (6 * s - 15))


def _rows(duration):
    intervals = min(max(math.ceil(duration / ROW_PERIOD_S), 1), MOST_INTERVALS)
    return intervals, max(duration, ROW_PERIOD_S) / intervals
