"""LeRobot's own RobotClient with a robot made of numbers. Prints what became of it as one line of JSON.

usage: lerobot_robot_client.py ADDRESS SECONDS OPTIONS_JSON
"""

import json
import logging
import sys
import threading
import time

import lerobot_async  # noqa: F401
import numpy as np
from lerobot.async_inference.configs import RobotClientConfig
from lerobot.async_inference.robot_client import RobotClient
from lerobot_async import RobotConfig

JOINTS = [f"j{i}.pos" for i in range(1, 7)]


class Robot:
    """Goes where it is sent at once; a still one stays where it is."""

    def __init__(self, cameras, still):
        self.observation_features = {name: float for name in JOINTS} | cameras
        self.action_features = {name: float for name in JOINTS}
        self.cameras = cameras
        self.still = still
        self.position = {name: 0.0 for name in JOINTS}
        self.executed = []

    def connect(self):
        pass

    def disconnect(self):
        pass

    def get_observation(self):
        pictures = {name: np.full(shape, 100, np.uint8) for name, shape in self.cameras.items()}
        return dict(self.position) | pictures

    def send_action(self, action):
        self.executed.append((time.time(), [float(action[name]) for name in JOINTS]))
        if not self.still:
            self.position = {name: float(value) for name, value in action.items()}
        return action


class Errors(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage()[:400])


def main():
    address, seconds, options = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
    errors = Errors()
    logging.getLogger().addHandler(errors)
    cameras = {name: tuple(shape) for name, shape in options.get("cameras", {}).items()}
    robot = Robot(cameras, options.get("still", False))
    config = RobotClientConfig(
        policy_type=options.get("type", "act"),
        pretrained_name_or_path=options.get("path", "noop"),
        robot=RobotConfig(lambda: robot),
        actions_per_chunk=options.get("actions_per_chunk", 20),
        task=options.get("task", ""),
        server_address=address,
        chunk_size_threshold=options.get("threshold", 0.5),
        fps=options.get("fps", 30),
        aggregate_fn_name=options.get("aggregate", "weighted_average"),
    )
    client = RobotClient(config)
    started = client.start()
    print(json.dumps({"started": started}), flush=True)
    if started:
        threading.Thread(target=client.receive_actions, daemon=True).start()
        threading.Timer(seconds, client.shutdown_event.set).start()
        client.control_loop(task=config.task)
    print(
        json.dumps(
            {
                "executed": len(robot.executed),
                "last": robot.executed[-1][1] if robot.executed else None,
                "values": [values[0] for _, values in robot.executed],
                "latest": client.latest_action,
                "errors": errors.lines[:20],
                "gap": max((b[0] - a[0] for a, b in zip(robot.executed, robot.executed[1:])), default=None),
            }
        ),
        flush=True,
    )


main()
