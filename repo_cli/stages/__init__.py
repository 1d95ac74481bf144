"""The stages: one readable loop a file. Each has `run(cfg, run_dir=None) -> Path` (what it made)."""
