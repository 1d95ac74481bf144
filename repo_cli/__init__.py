"""repo: Reward-Enhanced Policy Optimization for dialogue agents (arXiv 2510.04214)."""

import os

__version__ = "0.1.0"

# Read once, when torch loads GNU OpenMP. By default its threads spin for long while they wait for each other: free on
# an idle machine, but beside any other busy process a training step took up to eight times as long. Spinning briefly
# costs nothing alone; not spinning at all slows many small operations (benchmarks/shared_cores.py).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
