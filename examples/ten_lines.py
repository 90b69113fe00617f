#!/usr/bin/env python3
"""Waves joint 1 for three seconds, knowing only the first page. Start `myelin control --dry-run` (or `npm start`) first."""
import math, mmap, os, struct, sys, time

shm = mmap.mmap(os.open("/dev/shm/" + (sys.argv[1] if len(sys.argv) > 1 else "arx5_control"), os.O_RDWR), 0)
pose = struct.unpack_from("<7d", shm, 0x040)  # six joints in rad, gripper in m
print("state", struct.unpack_from("<I", shm, 0x004)[0], "pose", *(round(q, 3) for q in pose))
struct.pack_into("<I", shm, 0x008, 1)  # request START
for step in range(90):  # 30 times a second: the next 36 steps of the wave
    wave = [pose[0] + 0.1 * (1 - math.cos((step + row) / 30 * math.pi)) for row in range(36)]
    struct.pack_into("<252d", shm, 0x108, *(number for q in wave for number in (q, *pose[1:])))
    struct.pack_into("<I", shm, 0x104, 36)
    struct.pack_into("<d", shm, 0x028, time.time())  # heartbeat, last
    time.sleep(1 / 30)
struct.pack_into("<I", shm, 0x008, 2)  # request PAUSE
