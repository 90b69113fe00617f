"""Drive an arm that `myelin control` owns, from plain Python: standard library only.

    import time
    from myelin import Arm

    with Arm() as arm:
        arm.take_lease("my script")
        arm.start()
        for _ in range(100):
            state = arm.read()
            arm.send([state.position], step_period_s=0.1)
            time.sleep(0.05)

Everything is limited by the control process, so nothing sent here can drive the arm past its limits.
"""
from .arm import Arm, ArmState, LeaseHeld, SegmentError

__all__ = ["Arm", "ArmState", "LeaseHeld", "SegmentError"]
