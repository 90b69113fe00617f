"""From what a project returns to JSON. The table of conversions is in docs/remote.md."""
import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import os
import uuid

_DEEPEST = 100
# Made once: `json.dumps` makes one for each value. What it gets is a tree already.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)


class Unserialisable(Exception):
    """JSON cannot carry the value. The text says which one, as the end of a sentence that begins with its owner."""


def encode(value):
    """JSON of a value, in ASCII, on one line. NaN and infinities become null."""
    return _ENCODER.encode(_plain(value, 0))


def _plain(value, depth):
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if depth > _DEEPEST:
        raise Unserialisable("returned a value nested deeper than %d, or one that contains itself" % _DEEPEST)
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, dict):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict(), depth + 1)
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return _set(value, depth)
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth + 1) for field in dataclasses.fields(value)}
    return _foreign(value, depth)


def _set(value, depth):
    """Sets have no order; sorted where their elements have one, so that the same set is the same JSON."""
    try:
        items = sorted(value)
    except TypeError:
        items = list(value)
    return [_plain(item, depth + 1) for item in items]


def _key(key):
    if isinstance(key, str):
        return str(key)
    if isinstance(key, enum.Enum):
        return _key(key.value)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key) if not isinstance(key, float) or math.isfinite(key) else str(key)
    return str(key)


def _base64(value):
    return base64.b64encode(bytes(value)).decode("ascii")


# Subclasses of the plain types come here: `bool` and `int` before what numpy derives from `float` and `str`.
_CONVERSIONS = (
    ((bytes, bytearray, memoryview), _base64),
    (str, str),
    (int, int),
    (float, lambda value: float(value) if math.isfinite(value) else None),
    ((datetime.datetime, datetime.date, datetime.time), lambda value: value.isoformat()),
    (datetime.timedelta, lambda value: value.total_seconds()),
    (decimal.Decimal, lambda value: float(value) if value.is_finite() else None),
    (uuid.UUID, str),
    (os.PathLike, os.fspath),
)


def _foreign(value, depth):
    """Arrays and scalars of numpy, torch and their like, without importing any of them."""
    to_list = getattr(value, "tolist", None)
    if callable(to_list) and not isinstance(value, type):
        items = to_list()
        if items is not value:
            return _plain(items, depth + 1)
    if hasattr(value, "__iter__") and hasattr(value, "__len__") and not isinstance(value, type):
        return [_plain(item, depth + 1) for item in value]
    raise Unserialisable("returned %s, which JSON cannot carry" % _article(type(value).__name__))


def _article(name):
    return ("an " if name[:1].lower() in "aeiou" else "a ") + name
