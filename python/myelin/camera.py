"""The newest picture of a camera. Reading never holds up the camera."""
import os
import time
from collections import namedtuple

from . import layout
from .errors import SegmentError
from .layout import CAMERA, CAMERA_SLOT
from .memory import Memory, fence

# `rgb`: width * height * 3 bytes, rows from the top. With numpy: numpy.frombuffer(frame.rgb, "u1").reshape(height, width, 3).
# `captured_ns` is on the clock of time.monotonic_ns().
Frame = namedtuple("Frame", "name width height rgb captured_ns sequence")

_ATTEMPTS = 2 * layout.CAMERA_SLOTS
_PAUSE_S = 0.005


def folder():
    """Where the rings are: a project behind a sandbox is told, everyone else finds them in /dev/shm."""
    return os.environ.get("MYELIN_CAMERAS", "/dev/shm")


def cameras():
    """Names of the cameras there are."""
    prefix = layout.CAMERA_SEGMENT_PREFIX
    try:
        names = os.listdir(folder())
    except FileNotFoundError:
        return []
    return sorted(name[len(prefix) :] for name in names if name.startswith(prefix) and not name.endswith(".new"))


class Camera:
    """One camera. Follows by itself when its process is started anew. Close it, or use it in a `with` statement."""

    def __init__(self, name):
        self.name = name
        self._memory = None
        self._seen = 0
        self._open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def read(self):
        """The newest picture as a Frame, never half of one and half of another; None before the first."""
        if self._memory is None or not self._memory.current:
            self._open()
        for _ in range(_ATTEMPTS):
            memory = self._memory
            sequence = memory.get(CAMERA["frame_sequence"])
            if sequence == 0:
                return None
            base = layout.CAMERA_SLOTS_OFFSET + sequence % layout.CAMERA_SLOTS * self._slot_bytes
            if memory.get(CAMERA_SLOT["slot_sequence"], base) != sequence:
                continue
            start = base + layout.CAMERA_SLOT_HEADER_BYTES
            rgb = bytes(memory.bytes[start : start + self.width * self.height * 3])
            captured_ns = memory.get(CAMERA_SLOT["captured_ns"], base)
            fence()
            if memory.get(CAMERA_SLOT["slot_sequence"], base) == sequence:
                self._seen = sequence
                return Frame(self.name, self.width, self.height, rgb, captured_ns, sequence)
        return None

    def next(self, timeout=2.0):
        """Waits for a picture that was not read before. Raises SegmentError when none comes in `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            before = self._seen
            frame = self.read()
            if frame is not None and frame.sequence != before:
                return frame
            if time.monotonic() > deadline:
                raise SegmentError(f'camera "{self.name}" gave no new picture for {timeout} s: is myelin camera running?')
            time.sleep(_PAUSE_S)

    def _open(self):
        path = os.path.join(folder(), layout.CAMERA_SEGMENT_PREFIX + self.name)
        try:
            memory = Memory(path, writable=False)
        except FileNotFoundError:
            if self._memory is not None:
                return  # Not back yet: the last picture is still the newest there is, and its age shows.
            known = ", ".join(cameras()) or "none"
            raise SegmentError(f'there is no camera "{self.name}" (there are: {known}): start myelin camera first') from None
        width, height, slot_bytes = (memory.get(CAMERA[name]) for name in ("width", "height", "slot_bytes"))
        whole = (
            memory.get(CAMERA["magic"]) == layout.CAMERA_MAGIC
            and memory.get(CAMERA["version"]) == layout.CAMERA_LAYOUT_VERSION
            and slot_bytes % 64 == 0
            and slot_bytes >= layout.CAMERA_SLOT_HEADER_BYTES + width * height * 3
            and memory.size >= layout.CAMERA_SLOTS_OFFSET + layout.CAMERA_SLOTS * slot_bytes
        )
        if not whole:
            memory.close()
            raise SegmentError(f'"{path}" is no camera ring of layout {layout.CAMERA_LAYOUT_VERSION}')
        if self._memory is not None:
            self._memory.close()
        self._memory, self.width, self.height, self._slot_bytes = memory, width, height, slot_bytes
        self._seen = 0
