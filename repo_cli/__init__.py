"""repo: Reward-Enhanced Policy Optimization for dialogue agents (arXiv 2510.04214)."""

__version__ = "0.1.0"
