"""The port where ranks meet."""

from __future__ import annotations

import socket

from repo_cli.errors import UserError


def free_port(wanted: int = 0) -> int:
    """`wanted` if it can be had, or a free port for 0.

    Raises:
        UserError: the port is taken, or not ours to take.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # a port that a dead process left in TIME_WAIT is free; one that somebody listens on is not
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", wanted))
        except PermissionError:
            raise UserError(
                f"launch.master_port={wanted} needs more rights than this user has",
                hint="take one above 1023, or 0",
            ) from None
        except OSError:
            raise UserError(
                f"launch.master_port={wanted} is taken", hint="launch.master_port=0 finds a free one"
            ) from None
        return int(probe.getsockname()[1])
