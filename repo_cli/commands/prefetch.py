"""`repo prefetch STAGE`: what a configuration names on a hub, into this machine's cache, for nodes without network."""

from __future__ import annotations

from typing import Annotated

import typer

from repo_cli.commands.options import ConfigDir, Overrides, examples

Stage = Annotated[
    str, typer.Argument(metavar="STAGE", help="sft, dpo, train-rm, sample, rl, eval or pipeline.")
]


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command(
        "prefetch",
        rich_help_panel="Configuration",
        epilog=examples(
            "repo prefetch rl +experiment=negotiation",
            "repo prefetch sft policy=qwen3_4b data.path=owner/dialogues launch=slurm",
        ),
    )(prefetch)


def prefetch(stage: Stage, overrides: Overrides = None, config_dir: ConfigDir = None) -> None:
    """Fetch base, tokenizer and data that a configuration names on a hub, and show where they lie."""
    from rich.console import Console
    from rich.text import Text

    from repo_cli.config import compose
    from repo_cli.launch.hub import cached, caches, fetch, named_in

    texts = list(overrides or [])
    cfg = compose(stage, texts, config_dir)
    places = caches(cfg.slurm.env if cfg.launch.kind == "slurm" else None)
    console = Console(highlight=False, soft_wrap=True)
    found = named_in(cfg, texts, config_dir)
    if not found:
        console.print("nothing to fetch: the configuration names nothing on a hub")
        return
    for one in found:
        here = cached(one, places)
        what = "was there" if here else "fetched"
        console.print(Text(f"{one.key}={one.name} ({one.kind}) {what}: {here or fetch(one, places)}"))
