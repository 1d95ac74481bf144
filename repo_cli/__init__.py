"""repo: Reward-Enhanced Policy Optimization for dialogue agents (arXiv 2510.04214)."""

import os

__version__ = "0.1.0"

# Read once, when torch loads OpenMP. Threads that spin while they wait for each other are a little faster on an idle
# machine; beside any other busy process a training step took eight times as long (benchmarks/shared_cores.py).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
