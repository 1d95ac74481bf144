"""A real Slurm on this machine (Debian: apt install slurm-wlm munge), for the marked tests: one node, or several that
are one slurmd each. Their names mean this machine in a file of hosts that the daemons and jobs alone see."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: A private view of /etc/hosts for a daemon and all that it starts.
APART = ["unshare", "--mount", "bash", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"']
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
KillWait=20
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmdSpoolDir={place}/spool-%n
StateSaveLocation={place}/state
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,sched_interval=2
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why no Slurm can be started here; None where it can."""
    if os.environ.get("REPO_TEST_SLURM") != "1":
        return "starts daemons of its own: REPO_TEST_SLURM=1 runs it"
    if os.geteuid() != 0:
        return "munged and slurmd want to be root"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = [name for name in NEEDED if not shutil.which(name, path=path)]
    return f"not installed: {', '.join(lacking)} (apt install slurm-wlm munge)" if lacking else None


@contextmanager
def slurm(place: Path, nodes: int = 1) -> Iterator[dict[str, str]]:
    """Munge, controller and nodes in `place`; gives the environment in which sbatch and the rest find them."""
    env = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    host, ports = socket.gethostname(), _ports(1 + nodes)
    names = [host] if nodes == 1 else [f"node{number + 1}" for number in range(nodes)]
    for name in ("state", *(f"spool-{name}" for name in names)):
        (place / name).mkdir()
    key = place / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    place.chmod(0o755)
    conf = place / "slurm.conf"
    each = "NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000"
    each = each.format(host=host, cpus=len(os.sched_getaffinity(0)))
    lines = [f"NodeName={name} Port={port} {each}" for name, port in zip(names, ports[1:], strict=True)]
    conf.write_text(CONF.format(place=place, host=host, port=ports[0], nodes="\n".join(lines)))
    hosts = place / "hosts"
    hosts.write_text(Path("/etc/hosts").read_text() + "".join(f"127.0.0.1 {name}\n" for name in names))
    starts = [["slurmctld", "-D", "-f", str(conf)]]
    apart = [*APART, str(hosts)] if nodes > 1 else []
    starts += [[*apart, "slurmd", "-D", "-N", name, "-f", str(conf)] for name in names]
    env["SLURM_CONF"] = str(conf)
    daemons: list[subprocess.Popen[bytes]] = []
    log = (place / "daemons.log").open("wb")
    try:
        munge = ["munged", "-F", "--force", f"--socket={place}/munge.socket", f"--key-file={key}"]
        munge += [
            f"--pid-file={place}/munged.pid",
            f"--log-file={place}/munged.log",
            f"--seed-file={place}/seed",
        ]
        for command in (munge, *starts):
            daemons.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
            time.sleep(1.0)
        end = time.monotonic() + 30
        while run(["sinfo", "-h", "-N", "-o", "%T"], env).split() != ["idle"] * nodes:
            assert time.monotonic() < end, (place / "daemons.log").read_text()[-2000:]
            time.sleep(0.3)
        yield env
    finally:
        run(["scancel", "--user=root"], env)
        time.sleep(1.0)
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        log.close()


def run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
