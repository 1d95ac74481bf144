"""Engine, processes, run directory, checkpoints, tracking. Imports nothing, so that the light files stay light."""
