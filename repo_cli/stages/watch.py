"""The alarms of a running RL: measured once a step, said, written down, and part of every checkpoint.

What each alarm reads and when it sounds is `training/alarms.py`; thresholds and actions are `alarms.*`. The probe
measures how far the policy is from the base with its adapter off: on the first replies of the run, every few steps, the
KL divergence over the whole vocabulary, one pass with the adapter and one without. Nothing here draws a random number
or touches a weight.
"""

from __future__ import annotations

from typing import Any

import torch

from repo_cli.config.schema import Config
from repo_cli.dialogue.batches import collate, micro_batches
from repo_cli.dialogue.tokens import Sample
from repo_cli.errors import SavedStop
from repo_cli.models.backbone import Backbone
from repo_cli.stages.experience import Item
from repo_cli.stages.session import Session
from repo_cli.training.alarms import Event, action_of, observe
from repo_cli.training.distributed import all_gather_objects, all_sum, broadcast_object, rank, world_size

PROBE = "probe/kl_to_base"


class Watch:
    """See the module's docstring. All ranks call every method at the same places."""

    def __init__(self, cfg: Config, backbone: Backbone, session: Session) -> None:
        self.cfg, self.backbone, self.session = cfg.alarms, backbone, session
        self.micro_tokens = cfg.engine.micro_tokens
        self._seen: dict[str, Any] = {}
        self._probed: list[list[Any]] = []  # [ids of context and reply, how many are the reply's]
        self._stopped: list[str] = []  # alarms that have ended the run once; who resumes it has read them

    @torch.no_grad()
    def probe(self, items: list[Item], step: int) -> dict[str, float]:
        """The policy's KL to the base in nats a token, where it is due in this step."""
        own = self.cfg.kl_to_base
        if action_of("kl_to_base", self.cfg) == "none" or step % own.every:
            return {}
        if not self._probed:
            mine = [[item.sample.ids, len(item.reply.ids)] for item in items if item.reply.ids]
            found = all_gather_objects(mine[: own.replies])
            self._probed = [row for part in found for row in part][: own.replies]
        self.backbone.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        share = [
            Sample(ids, [0] * (len(ids) - n) + [1] * n) for ids, n in self._probed[rank() :: world_size()]
        ]
        with self.session.timer("probe"):
            for chosen in micro_batches([len(s.ids) for s in share], self.micro_tokens):
                batch = collate([share[i] for i in chosen], self.backbone.fmt.pad_id).to(self.backbone.device)
                kl = self.backbone.kl("policy", None, batch.ids, batch.attention, batch.mask)
                sums += torch.tensor([float(kl.double().sum()), float(batch.mask.sum())], dtype=torch.float64)
        total, tokens = all_sum(sums).tolist()
        return {PROBE: total / tokens} if tokens else {}

    def look(self, step: int, stats: dict[str, float]) -> dict[str, float]:
        """The step's metrics (step from 0): says and writes down what starts and ends; `alarm/<name>` 0 or 1."""
        found = observe(self._seen, step + 1, stats, self.cfg) if self.session.is_main else None
        self._seen, events, active = broadcast_object(found)
        for event in events:
            self._tell(event)
        return {f"alarm/{name}": float(on) for name, on in active.items()}

    def _tell(self, event: Event) -> None:
        text = f"step {event.step}: {event.text}"
        if event.state == "start":
            self.session.alarm(text)
        else:
            self.session.note(text)
        self.session.tracker.alarm_event(event.row())

    def stop(self) -> None:
        """After a step's end: raises SavedStop on all ranks where an alarm is on whose action is stop. The same alarm
        ends a run only once: a resumed run goes on under it."""
        names = [
            name
            for name in self._seen.get("on", {})
            if action_of(name, self.cfg) == "stop" and name not in self._stopped
        ]
        if names:
            self._stopped += names
            keys = " ".join(f"alarms.{name}.action=stop" for name in names)
            raise SavedStop(
                f"the run ends on its alarm{'s' * (len(names) > 1)} {', '.join(names)}",
                hint=f"the line above says what and since when; {keys} ends a run there, action=warn lets it go on",
            )

    def state(self) -> dict[str, Any]:
        return {"seen": self._seen, "probed": self._probed, "stopped": list(self._stopped)}

    def load_state(self, state: dict[str, Any]) -> None:
        self._seen = dict(state.get("seen", {}))
        self._probed = list(state.get("probed", []))
        self._stopped = list(state.get("stopped", []))
