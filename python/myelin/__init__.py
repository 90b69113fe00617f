"""Drive an arm that `myelin control` owns, from plain Python: standard library only, Python 3.8 or newer.

    import myelin

    with myelin.connect() as arm:
        arm.start()
        arm.move_to([0.5, 1.7, 1.6, -1.5, 0, 0], duration=2)
        arm.gripper(0.02)
        picture = arm.camera("wrist").read()

Everything is limited by the control process, so nothing sent here can drive the arm past its limits. When this
process ends, hangs or is killed, the arm holds within the command timeout (0.2 s). In full: docs/remote.md.
"""
from .arm import Arm, ArmState, connect
from .camera import Camera, Frame, cameras
from .errors import ArmError, ArmHolds, ArmStopped, Interrupted, LeaseHeld, LeaseLost, SegmentError
from .trajectory import Limits

__all__ = [
    "Arm",
    "ArmError",
    "ArmHolds",
    "ArmState",
    "ArmStopped",
    "Camera",
    "Frame",
    "Interrupted",
    "LeaseHeld",
    "LeaseLost",
    "Limits",
    "SegmentError",
    "cameras",
    "connect",
]
