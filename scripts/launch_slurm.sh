#!/bin/bash
# Slurm, four nodes of 8 GPUs: the command writes a batch file, submits it, and says where to look.
#   scripts/launch_slurm.sh             submits
#   scripts/launch_slurm.sh --dry-run   shows the batch files, submits nothing
# What is special about your cluster (partition, account, modules, container) belongs into a file of your own,
# my_conf/slurm/big.yaml after conf/slurm/default.yaml: scripts/launch_slurm.sh --config-dir my_conf slurm=big
# Ten minutes before the wall clock the run saves, and the job queues itself again until it is done.
set -euo pipefail
repo=${REPO:-repo}  # the command; REPO=.venv/bin/repo where it is not on PATH

# the whole line in one job of 32 ranks (fetch the model before: compute nodes are taken to have no network)
$repo pipeline +experiment=negotiation launch=slurm launch.nproc=8 slurm.nodes=4 slurm.time=12:00:00 \
  slurm.signal_s=600 launch.stop_s=540 tracker.checkpoint_every=10 "$@"

# a sweep as a job array, two jobs at a time; see it with: repo sweep status runs/sweeps/sft/negotiation/...
$repo sft -m optim.lr=1e-6,3e-6 'seed=range(3)' +experiment=negotiation launch=slurm launch.nproc=8 slurm.at_once=2 "$@"
