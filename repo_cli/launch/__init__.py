"""Starting a stage: in this process, as several ranks on this machine, or as one rank of somebody's launcher."""
