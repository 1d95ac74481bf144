"""Engine, processes, run directory, checkpoints, tracking. Imports nothing itself."""
