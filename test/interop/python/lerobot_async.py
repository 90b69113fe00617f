"""Makes LeRobot's own asynchronous inference importable, unmodified, without the hundred packages around it.

LEROBOT is the folder that holds the `lerobot` package. Packages keep their own modules but not their `__init__`;
what talks to datasets, checkpoints, robots and cameras is replaced by names that hold nothing.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types

FOLDER = os.path.join(os.environ["LEROBOT"], "lerobot")


class Nothing:
    """Stands for a class that is only mentioned."""

    def __class_getitem__(cls, _):
        return cls


class ChoiceRegistry:
    @classmethod
    def register_subclass(cls, _name):
        return lambda subclass: subclass


class RobotConfig:
    """`make()` gives the robot: any object with LeRobot's robot methods."""

    def __init__(self, make):
        self.make = make


def _module(name, **names):
    module = types.ModuleType(name)
    module.__dict__.update(names)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], child, module)
    return module


def _package(name, **names):
    """A package of LeRobot whose modules are found, but whose own code does not run."""
    module = _module(name, **names)
    module.__path__ = [os.path.join(FOLDER, *name.split(".")[1:])]
    return module


_module("draccus", wrap=lambda *_a, **_k: lambda function: function, ChoiceRegistry=ChoiceRegistry)
_module("huggingface_hub")
_module("huggingface_hub.constants", HF_HOME=".")
_package("lerobot", __version__="0")
_package("lerobot.configs")
_types = importlib.import_module("lerobot.configs.types")
for _name in ("PolicyFeature", "FeatureType", "RTCAttentionSchedule"):
    setattr(sys.modules["lerobot.configs"], _name, getattr(_types, _name, Nothing))
_package("lerobot.utils")
_module("lerobot.utils.utils", init_logging=lambda **_: None)
_module("lerobot.utils.transition", Transition=dict)
_module(
    "lerobot.utils.import_utils",
    require_package=lambda *_a, **_k: None,
    register_third_party_plugins=lambda: None,
)
_package(
    "lerobot.policies",
    get_policy_class=None,
    make_pre_post_processors=None,
    **{name: Nothing for name in "ACTConfig DiffusionConfig PI0Config PI05Config SmolVLAConfig VQBeTConfig".split()},
)
_module("lerobot.processor", PolicyAction=Nothing, PolicyProcessorPipeline=Nothing)
_module("lerobot.lerobot_types", PolicyAction=Nothing)
_robots = "bi_so_follower koch_follower omx_follower so_follower unitree_g1".split()
_module(
    "lerobot.robots",
    Robot=Nothing,
    RobotConfig=RobotConfig,
    make_robot_from_config=lambda config: config.make(),
    **{name: None for name in _robots},
)
_module("lerobot.robots.config", RobotConfig=RobotConfig)
_module("lerobot.robots.robot", Robot=Nothing)
_module("lerobot.cameras", OpenCVCameraConfig=Nothing)
_module("lerobot.cameras.opencv", OpenCVCameraConfig=Nothing)
_module("lerobot.cameras.realsense", RealSenseCameraConfig=Nothing)
_module("lerobot.cameras.zmq")
_module("lerobot.cameras.zmq.configuration_zmq", ZMQCameraConfig=Nothing)
_package("lerobot.transport")
# LeRobot's loggers would leave a folder of logs where they are imported.
os.makedirs = lambda *_a, **_k: None
_package("lerobot.async_inference")
