"""Engine, processes, run directory, checkpoints, tracking. Nothing is imported here, so the light files stay light."""
