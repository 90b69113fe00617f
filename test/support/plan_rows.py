"""Reads cases as lines of JSON and writes the rows that myelin.trajectory plans for each, as lines of JSON."""
import json
import sys

from myelin.trajectory import Limits, brake, minimum_jerk


def write(planned):
    rows, period = planned
    print(json.dumps({"periodS": period, "rows": rows}))


for line in sys.stdin:
    case = json.loads(line)
    given = case["limits"]
    keys = ("positionMin", "positionMax", "velocityMax", "accelerationMax", "jerkMax")
    limits = Limits(*(given[key] for key in keys), home=None)
    write(minimum_jerk(case["start"], case["target"], limits, case["seconds"]))
    write(brake(case["start"], case["velocity"], limits))
