"""Runs the mini world into a store, as a process of its own that a test can kill:
mini_upload.py ROOT URL WORK.
"""

from __future__ import annotations

import sys
from pathlib import Path

from stores import Minis

if __name__ == "__main__":
    Minis(Path(sys.argv[1])).run(sys.argv[2], Path(sys.argv[3]))
