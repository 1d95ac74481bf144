"""Where each stage lies. By name: stages stand on a higher floor."""

MODULES = {
    "sft": "repo_cli.stages.sft",
    "dpo": "repo_cli.stages.dpo",
    "train_rm": "repo_cli.stages.train_rm",
    "sample": "repo_cli.stages.sample",
    "rl": "repo_cli.stages.rl",
    "eval": "repo_cli.stages.evaluate",
}
