#!/bin/bash
# One machine with 8 GPUs: the paper's settings (Qwen3-32B, LoRA, ZeRO-3), one rank a GPU, started by the command itself.
#   scripts/launch_one_node.sh             runs it
#   scripts/launch_one_node.sh --dry-run   shows configuration and plan, starts nothing
# A smaller base: scripts/launch_one_node.sh policy=qwen3_4b engine=zero2
# Stop it with Ctrl-C or SIGTERM: it saves and ends with 75. To go on, run it again with --resume auto.
set -euo pipefail
repo=${REPO:-repo}  # the command; REPO=.venv/bin/repo where it is not on PATH

$repo pipeline +experiment=negotiation launch.nproc=8 \
  tracker.checkpoint_every=20 tracker.keep_checkpoints=2 "$@"
