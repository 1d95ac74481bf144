#!/bin/bash
# A laptop or workstation without a GPU: the small model and the built-in world, then a sweep over the learning rate.
#   scripts/launch_laptop.sh             runs it
#   scripts/launch_laptop.sh --dry-run   shows configuration and plan, starts nothing
# Further arguments go to every command: scripts/launch_laptop.sh seed=1
set -euo pipefail
repo=${REPO:-repo}  # the command; REPO=.venv/bin/repo where it is not on PATH

# the whole line: base, SFT, reward model, judge, REPO, evaluation
$repo pipeline +experiment=demo "$@"

# three learning rates of SFT, one after the other; see them with: repo sweep table runs/sweeps/sft/laptop/...
$repo sft -m optim.lr=3e-4,1e-3,3e-3 policy=tiny lora=r16 name=laptop data.path=world:gold data.limit=400 \
  sft.max_steps=60 "$@"
