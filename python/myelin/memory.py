"""A segment of shared memory, read and written in whole words."""
import fcntl
import mmap
import os
import sys
import threading
import time
from contextlib import contextmanager

from .errors import SegmentError

_LOCK_ATTEMPTS = 50
_LOCK_PAUSE_S = 0.001
_barrier = threading.Lock()


def fence():
    """A full memory barrier: nothing before it is seen after anything behind it.

    Two critical sections, because one alone lets what surrounds it meet inside.
    """
    with _barrier:
        pass
    with _barrier:
        pass


class Memory:
    """One mapped file. Words and numbers are read and written with one access each, which no peer sees half of."""

    def __init__(self, path, writable):
        if sys.byteorder != "little":
            raise SegmentError("Myelin's shared memory is little-endian, this machine is not")
        flags = os.O_RDWR if writable else os.O_RDONLY
        try:
            self._fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SegmentError(f"{path} cannot be opened: {error.strerror}; run as the user who made it") from None
        self.path = path
        try:
            status = os.fstat(self._fd)
            self.size = status.st_size
            if self.size < 4096 or self.size % 8 != 0:
                raise SegmentError(f"{path} is not one of Myelin's segments")
            self._inode = status.st_ino
            access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
            self._map = mmap.mmap(self._fd, 0, access=access)
        except BaseException:
            os.close(self._fd)
            raise
        self.bytes = memoryview(self._map)
        self.words = self.bytes.cast("I")
        self.numbers = self.bytes.cast("d")

    @property
    def current(self):
        """Whether the name still leads here, and not to a newer segment or nowhere."""
        try:
            return os.stat(self.path).st_ino == self._inode
        except OSError:
            return False

    def get(self, field, base=0):
        """A field's value: a number, a tuple of numbers, or text."""
        at = base + field.offset
        if field.format == "s":
            return bytes(self.bytes[at : at + field.length]).partition(b"\0")[0].decode("utf-8", "replace")
        view = self.words if field.format == "I" else self.numbers
        start = at // view.itemsize
        return view[start] if field.length == 1 else tuple(view[start : start + field.length])

    def set(self, field, value, base=0):
        at = base + field.offset
        if field.format == "s":
            text = value.encode()[: field.length]
            self.bytes[at : at + field.length] = text + bytes(field.length - len(text))
        elif field.format == "I":
            self.words[at // 4] = value
        else:
            self.numbers[at // 8] = value

    @contextmanager
    def exclusively(self):
        """While no other process that has no atomic exchange is inside of this. Raises TimeoutError after 50 ms."""
        for _ in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE_S)
        else:
            raise TimeoutError
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self):
        """Can be called twice."""
        if self._fd < 0:
            return
        for view in (self.words, self.numbers, self.bytes):
            view.release()
        self._map.close()
        os.close(self._fd)
        self._fd = -1
