"""Arguments of the scripts that record references; once they are read, LeRobot can be imported."""

import argparse

from torchvision_cpu import declare_operators


def read(description, lerobot, legacy=False):
    """`lerobot` says which release's sources are wanted; `legacy`: some cases keep statistics in the model's file."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--lerobot-src", required=True, help=f"the src folder of {lerobot}")
    arguments.add_argument("--only", help="one case by name")
    if legacy:
        arguments.add_argument("--legacy", action="store_true", help="the cases whose statistics lie in the model's file")
    options = arguments.parse_args()
    declare_operators()
    return options
