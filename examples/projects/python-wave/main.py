"""Waves: turns the arm's base from side to side. Call it with: myelin project call robot.wave '{"times": 3}'"""
import myelin

push_message = None  # set by the runner: push_message(event, data)


class Robot:
    def __init__(self):
        self.arm = None

    def wave(self, times=2, width=0.35):
        """width: rad to each side."""
        # The lease is taken with the first command and given back at the end of the block.
        with myelin.connect() as self.arm:
            self.arm.start()
            home = list(self.arm.limits.home[:6])
            self.arm.move_to(home, duration=1.0)
            for time in range(times):
                for side in (width, -width):
                    self.arm.move_to([side] + home[1:])
                if push_message is not None:
                    push_message("waved", {"time": time + 1, "of": times})
            self.arm.move_to(home)
            return {"waved": times, "pose": self.arm.state.position}

    def look(self, camera="wrist"):
        """Mean brightness of the newest picture of a camera, 0 to 255."""
        with myelin.Camera(camera) as eye:
            frame = eye.next()
            return {"width": frame.width, "height": frame.height, "brightness": sum(frame.rgb) / len(frame.rgb)}

    def stop(self):
        """Called when the client goes, also while it waves: the move that runs ends with myelin.Interrupted."""
        if self.arm is not None:
            self.arm.hold()


robot = Robot()
