"""The subcommands of `repo`, one file for each group. Nothing heavy is imported before a command runs."""
