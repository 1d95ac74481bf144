"""One base model in memory; policy, critic, reward model and judge are adapters and heads on it.

Nothing is imported here, so that `repo_cli.models.manifest` can be read without torch.
"""
