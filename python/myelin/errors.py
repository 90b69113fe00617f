"""What can go wrong with an arm. Every message says what happened and what helps."""


class ArmError(Exception):
    """Everything this module raises of its own."""


class SegmentError(ArmError):
    """The segment is missing, of another version, or its control process is gone or stopped in the middle of a write."""


class LeaseHeld(ArmError):
    """Another process commands the arm, or this project may not."""


class LeaseLost(LeaseHeld):
    """The arm was taken from this process while it commanded it."""


class ArmHolds(ArmError):
    """The arm does not do what was asked: it is paused, it holds, or it was held up on its way."""


class ArmStopped(ArmHolds):
    """The arm was stopped. Its control process comes to its end; only starting that one again helps."""


class Interrupted(ArmError):
    """Another command of this process took the place of this one: `hold()`, or a newer move."""
