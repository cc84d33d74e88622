#!/usr/bin/env python3
"""Runs a simulation with a planted bug, which one of its assertions has to find.

must_abort.py MESSAGE PROGRAM [ARGUMENT]…: succeeds if PROGRAM is ended by the assertion with this message, and by
nothing else."""

import signal
import subprocess
import sys

message, *command = sys.argv[1:]
ended = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
sys.stderr.write(ended.stderr)
last = [line for line in ended.stderr.splitlines() if "assertion failed at" in line]
if ended.returncode != -signal.SIGABRT or not last or not last[-1].endswith(f": {message}"):
    sys.exit(f"{command[0]} ended with {ended.returncode}, and had to fail the assertion: {message}")
