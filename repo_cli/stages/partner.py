"""The partner in RL: it answers the sampled replies, and dialogues go on from there.

With `rl.partner=world` the built-in world's counterpart answers every sampled reply, so that rules can read what a
reply brings about. A dialogue that is not over goes on with its answer in the next step with chance `rl.follow`, in
place of a recorded prompt: the policy then learns on the dialogues that it brings about itself, repeated asks and all.
The partner's words are context only and are never learnt. Who answers is a function of (seed, scenario, dialogue so
far), and the dialogues under way are part of every checkpoint.
"""

from __future__ import annotations

import random
import zlib
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.dialogue.scenario import HIDDEN
from repo_cli.dialogue.tokens import ChatFormat
from repo_cli.errors import UserError
from repo_cli.stages.experience import Item, Prompt
from repo_cli.training.distributed import all_gather_objects
from repo_cli.worlds import world_of


class PartneredDialogues:
    """Answers replies, and keeps the dialogues that go on. All ranks hold the same list of them."""

    def __init__(self, cfg: Config, fmt: ChatFormat) -> None:
        self.cfg, self.fmt = cfg, fmt
        self.world = world_of(cfg) if cfg.rl.partner == "world" else None
        self.under_way: list[dict[str, Any]] = []

    def answer(self, items: list[Item]) -> None:
        """Fill `answer` of each item: {text, ended, outcome}."""
        if self.world is None:
            return
        for item in items:
            scenario = item.row.get("scenario") or {}
            if HIDDEN not in scenario:
                raise UserError(
                    "rl.partner=world: a prompt's scenario has no hidden side, so nobody can answer in its place",
                    hint="take prompts of the world (data.path=world:prompts), or rl.partner=none",
                )
            seed = zlib.crc32(f"{self.cfg.seed}|{scenario.get('id')}".encode())
            turn = self.world.counterpart(scenario, seed).reply(
                [*item.row["prompt"], {"role": "assistant", "content": item.reply.text}]
            )
            item.answer = {"text": turn.text, "ended": turn.ended, "outcome": turn.outcome}

    def go_on(self, items: list[Item], step: int, group: int = 1) -> None:
        """Choose the dialogues that go on (the first reply of each group stands for it)."""
        if self.world is None or not self.cfg.rl.follow:
            return
        mine = []
        for item in items[::group]:
            row, answer = item.row, item.answer or {}
            turns = sum(m["role"] == "assistant" for m in row["prompt"]) + 1
            chance = random.Random(f"follow|{self.cfg.seed}|{step}|{row['scenario'].get('id')}|{turns}")
            if (
                answer.get("ended")
                or not answer.get("text")
                or not item.reply.text.strip()
                or turns >= self.cfg.eval.max_turns
                or chance.random() >= self.cfg.rl.follow
            ):
                continue
            said = [
                {"role": "assistant", "content": item.reply.text},
                {"role": "user", "content": answer["text"]},
            ]
            mine.append({"prompt": [*row["prompt"], *said], "scenario": row["scenario"], "tags": ["own"]})
        self.under_way = [row for part in all_gather_objects(mine) for row in part]

    def prompts(self, recorded: list[Prompt], wanted: int) -> list[Prompt]:
        """The step's prompts: the dialogues under way first, then recorded ones, `wanted` in all."""
        own = [(row, self.fmt.context_ids(row["prompt"])) for row in self.under_way[:wanted]]
        return own + recorded[: wanted - len(own)]

    def state(self) -> dict[str, Any]:
        return {"under_way": self.under_way}

    def load_state(self, state: dict[str, Any]) -> None:
        self.under_way = list(state.get("under_way", []))
