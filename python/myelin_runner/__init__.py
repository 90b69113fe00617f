"""Runs one user project in its own process for the Myelin worker. Standard library only, Python 3.8 or newer.

Started through `run_project.py`, with JSON lines on file descriptors 3 (calls), 5 (what overtakes them) and 4 (out), so
that standard output stays the project's own. The messages are described in docs/protocols/remote.md.
"""
