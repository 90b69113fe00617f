"""An exception of the project, told without the frames that are not the project's business."""
import os
import traceback

_HERE = os.path.dirname(os.path.abspath(__file__))
_MOST_CHARACTERS = 16 * 1024


def describe(error, folder):
    """`{type, message, traceback}`. The traceback starts at the first frame of the project; its paths are relative."""
    return {"type": type(error).__name__, "message": _message(error), "traceback": trimmed(error, folder)}


def _message(error):
    if isinstance(error, SyntaxError) and error.filename:
        return "%s (%s, line %s)" % (error.msg, os.path.basename(error.filename), error.lineno)
    try:
        return str(error)[:2000]
    except Exception:  # A __str__ that fails must not hide the failure it belongs to.
        return "(no text: its __str__ failed)"


def trimmed(error, folder):
    try:
        told = traceback.TracebackException.from_exception(error, limit=-200)
        _trim(told, os.path.join(os.path.realpath(folder), ""), set())
        text = "".join(told.format())
    except Exception as failure:  # The same: the failure of the telling is not what the user looks for.
        return "(the traceback could not be written: %s)" % failure
    if len(text) > _MOST_CHARACTERS:
        text = "...\n" + text[-_MOST_CHARACTERS:]
    return text


def _trim(told, root, seen):
    """Cuts the frames above the project's first one, and the runner's and the importer's anywhere."""
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    frames = [frame for frame in told.stack if not _ours(frame.filename)]
    first = next((index for index, frame in enumerate(frames) if _inside(frame.filename, root)), 0)
    told.stack = traceback.StackSummary.from_list(
        [
            traceback.FrameSummary(_short(frame.filename, root), frame.lineno, frame.name, lookup_line=False, line=frame.line)
            for frame in frames[first:]
        ]
    )
    if getattr(told, "filename", None):
        told.filename = _short(told.filename, root)
    _trim(told.__cause__, root, seen)
    _trim(told.__context__, root, seen)


def _ours(filename):
    return filename.startswith("<frozen importlib") or os.path.dirname(os.path.abspath(filename)) == _HERE


def _inside(filename, root):
    return os.path.realpath(filename).startswith(root)


def _short(filename, root):
    real = os.path.realpath(filename) if not filename.startswith("<") else filename
    return real[len(root) :] if real.startswith(root) else filename
