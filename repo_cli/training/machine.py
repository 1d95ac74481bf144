"""What this machine has and lacks: for `repo doctor`. torch is asked only where it is installed."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from repo_cli import __version__
from repo_cli.quiet import quiet_libraries

PACKAGE = "repo-cli"
GIB = 2**30


@dataclass(frozen=True)
class Fact:
    """One line: what, what was found, and how it stands. state: ok, note (worth knowing) or missing (mend it)."""

    what: str
    found: str
    state: str = "ok"
    hint: str = ""


def look(place: Path) -> list[Fact]:
    """Everything, in the order to read it in. `place`: where runs would be written."""
    return [
        Fact("repo", f"{__version__} in {Path(__file__).resolve().parents[2]}"),
        Fact("python", f"{platform.python_version()} ({sys.executable})"),
        *_processor(),
        _memory(),
        _disk(place),
        *_torch(),
        *_libraries(),
        *_extras(),
        _attention(),
        _slurm(),
    ]


def memory_bytes() -> tuple[int, int]:
    """(all memory that this process may use, free now), in bytes: the machine's, or the control group's limit."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = total
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except OSError:  # not Linux
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if _has_avphys() else total
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = int(Path(place).read_text(encoding="ascii"))
        except (OSError, ValueError):  # none there, or "max"
            continue
        total, free = min(total, limit), min(free, limit)
    return total, free


def _has_avphys() -> bool:
    return "SC_AVPHYS_PAGES" in os.sysconf_names


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_bytes() -> list[int]:
    """Memory of each GPU that torch sees, in bytes."""
    try:
        import torch
    except ImportError:
        return []
    if not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count())]


def _processor() -> list[Fact]:
    try:
        import torch

        can: Any = torch.backends.cpu.get_cpu_capability()
    except ImportError:
        can = "?"
    flags = ""
    try:
        flags = next(
            line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")
        )
    except (OSError, StopIteration):
        pass
    words = set(flags.split())
    fast = "AMX" if "amx_bf16" in words else "AVX-512" if "avx512_bf16" in words else ""
    line = f"{cores()} cores, {platform.machine()}, {can}"
    if fast:
        return [
            Fact("processor", f"{line}; bf16 in hardware ({fast}): engine.autocast=bfloat16 may be faster")
        ]
    return [Fact("processor", f"{line}; no bf16 in hardware: stay with float32 on the CPU")]


def _memory() -> Fact:
    total, free = memory_bytes()
    text = f"{total / GIB:.1f} GiB, {free / GIB:.1f} GiB of it free"
    if free < 2 * GIB:
        return Fact("memory", text, "note", "the demo wants about 2 GiB")
    return Fact("memory", text)


def _disk(place: Path) -> Fact:
    here = place
    while not here.exists() and here != here.parent:
        here = here.parent
    free = shutil.disk_usage(here).free
    text = f"{free / GIB:.1f} GiB free in {here.resolve()}"
    if not os.access(here, os.W_OK):
        return Fact("disk", text, "missing", f"no permission to write there: runs_dir={place}")
    return Fact("disk", text, "note" if free < GIB else "ok", "checkpoints need room" if free < GIB else "")


def _torch() -> list[Fact]:
    try:
        import torch
    except ImportError as error:
        return [Fact("torch", f"cannot be imported: {error}", "missing", "pip install repo-cli brings it")]
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    facts = [Fact("torch", f"{torch.__version__}, {built}, {torch.get_num_threads()} threads")]
    if not torch.cuda.is_available():
        hint = "" if not torch.version.cuda else "torch is built for CUDA: is there a driver?"
        return [*facts, Fact("GPU", "none: stages run on the CPU", "note", hint)]
    for number in range(torch.cuda.device_count()):
        has = torch.cuda.get_device_properties(number)
        text = f"{has.name}, {has.total_memory / GIB:.0f} GiB, capability {has.major}.{has.minor}"
        old = has.major < 8
        facts.append(Fact(f"GPU {number}", text, "note" if old else "ok", "no bf16 there" if old else ""))
    return facts


def _libraries() -> list[Fact]:
    """What the package needs, installed or not; deepspeed is also imported, since it fails in ways of its own."""
    from packaging.requirements import Requirement

    lacking, versions = [], []
    for text in metadata.requires(PACKAGE) or []:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        found = version_of(need.name)
        if found is None or not need.specifier.contains(found, prereleases=True):
            lacking.append(f"{need.name}{need.specifier} (here {found or 'none'})")
        elif need.name in ("transformers", "peft", "hydra-core"):
            versions.append(f"{need.name} {found}")
    facts = [Fact("libraries", ", ".join(versions))]
    if lacking:
        facts = [Fact("libraries", f"lacking: {', '.join(lacking)}", "missing", "install the package again")]
    quiet_libraries()
    try:
        prepare = importlib.import_module("repo_cli.training.deepspeed_setup").prepare
        facts.append(Fact("deepspeed", f"{prepare().__version__}, imports"))
    except Exception as error:  # it raises what its probing of the machine raises
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        facts.append(
            Fact("deepspeed", f"cannot be imported: {first}", "missing", "every training stage needs it")
        )
    return facts


def version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> list[Fact]:
    """The package's optional extras: whole, or what they lack."""
    from packaging.requirements import Requirement

    facts = []
    names = metadata.metadata(PACKAGE).get_all("Provides-Extra") or []
    for extra in names:
        wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or []]
        wanted = [r for r in wanted if r.marker and r.marker.evaluate({"extra": extra})]
        wanted = [r for r in wanted if not r.marker or not r.marker.evaluate({"extra": ""})]
        lacking = [r.name for r in wanted if version_of(r.name) is None]
        if lacking:
            text = f"lacks {', '.join(lacking)}"
            facts.append(Fact(f"extra {extra}", text, "note", f"pip install 'repo-cli[{extra}]'"))
        else:
            facts.append(Fact(f"extra {extra}", ", ".join(f"{r.name} {version_of(r.name)}" for r in wanted)))
    return facts


def _attention() -> Fact:
    found = version_of("flash-attn")
    if found:
        return Fact("flash attention", f"flash-attn {found}: policy.attn=flash_attention_2")
    return Fact(
        "flash attention", "the package flash-attn is not installed: policy.attn=sdpa uses torch's own"
    )


def _slurm() -> Fact:
    found = shutil.which("sbatch")
    return Fact("Slurm", found or "no sbatch here: launch=slurm can only be shown (--dry-run)")
