"""Keeps the libraries' start-up chatter off the terminal; what they warn of goes to the run's log instead."""

from __future__ import annotations

import logging
import os
import sys
import warnings

LOGGERS = ("DeepSpeed", "transformers", "peft", "accelerate", "datasets", "torch.distributed", "py.warnings")


def quiet_libraries() -> None:
    """Call before the first import of transformers, peft or DeepSpeed; safe to call again."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if "DS_ACCELERATOR" not in os.environ:
        import torch

        if not torch.cuda.is_available():
            os.environ["DS_ACCELERATOR"] = "cpu"  # else DeepSpeed searches, and warns that it found nothing
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")  # peft's, not the user's
    if "transformers" in sys.modules:
        from transformers.utils import logging as hf_logging

        hf_logging.set_verbosity_error()
        hf_logging.disable_progress_bar()


def route_logs(handler: logging.Handler | None) -> None:
    """Send the libraries' log records to `handler` alone (None: nowhere), and Python warnings with them."""
    logging.captureWarnings(True)
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler if handler is not None else logging.NullHandler()]
        logger.propagate = False
