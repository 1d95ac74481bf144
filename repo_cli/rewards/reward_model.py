"""The reward model: an adapter and a head on the shared base, with the calibration that gives its score a
zero.

A Bradley-Terry score is defined only up to a constant, yet the sign and size of every correction hang on its
zero. So training stores mean and standard deviation of the scores on held-out replies, and RL refuses a
model without them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from repo_cli.dialogue.batches import collate, micro_batches
from repo_cli.dialogue.fingerprint import format_hash
from repo_cli.dialogue.shared import collate_shared, families, row_length
from repo_cli.dialogue.tokens import Sample
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.manifest import find_final, read_manifest

SCALES = ("centered", "shifted", "sigmoid", "raw")
LEAST = 8  # scores from which a mean and a deviation may be taken


@dataclass(frozen=True)
class Calibration:
    """Mean and standard deviation (population) of the raw scores on `n` held-out replies, chosen and
    rejected."""

    mean: float
    std: float
    n: int

    @classmethod
    def fit(cls, scores: Sequence[float]) -> Calibration:
        """From raw scores. Raises UserError for too few, for a score that is not finite, and without
        spread."""
        values = [float(s) for s in scores]
        if len(values) < LEAST:
            raise UserError(
                f"calibration: {len(values)} scores are too few, at least {LEAST} are wanted",
                hint="more held-out pairs: train_rm.calibration_fraction or data.val_path",
            )
        if not all(math.isfinite(v) for v in values):
            raise UserError(
                "calibration: the reward model gave a score that is not finite", hint="a lower optim.lr"
            )
        mean = math.fsum(values) / len(values)
        std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
        made = cls(mean, std, len(values))
        made.check("the reward model")
        return made

    def check(self, where: str) -> None:
        """Refuse a calibration that cannot serve (std 0 or anything not finite)."""
        if not (math.isfinite(self.mean) and math.isfinite(self.std)):
            raise UserError(f"{where}: its calibration is not finite (mean {self.mean}, std {self.std})")
        # a constant head leaves rounding noise, not an exact 0
        if self.std <= 1e-6 * max(1.0, abs(self.mean)):
            raise UserError(
                f"{where}: the scores it was calibrated on are all alike (std {self.std:g})",
                hint="train it longer, or on other pairs: repo train-rm",
            )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any, where: str) -> Calibration:
        """Raises UserError naming `where` when there is none or it cannot serve."""
        if not data:
            raise UserError(
                f"{where}: this reward model carries no calibration, so its scores have no zero",
                hint="train it with repo train-rm, which calibrates it on held-out pairs",
            )
        try:
            made = cls(float(data["mean"]), float(data["std"]), int(data.get("n", 0)))
        except (TypeError, KeyError, ValueError, AttributeError):
            raise UserError(f"{where}: its calibration is broken: {data!r}") from None
        made.check(where)
        return made

    def scale(self, raw: Tensor, scale: str = "centered", shift: float = 2.0) -> Tensor:
        """Raw scores on a scale: centered z = (raw - mean) / std; shifted z + shift; sigmoid(z); raw."""
        if scale == "raw":
            return raw
        z = (raw - self.mean) / self.std
        if scale == "centered":
            return z
        if scale == "shifted":
            return z + shift
        if scale == "sigmoid":
            return torch.sigmoid(z)
        raise UserError(f"rm.scale={scale}: not one of {', '.join(SCALES)}")


class RewardModel:
    """Scores replies with role `role` of the backbone; see `open` for a trained one."""

    def __init__(
        self,
        backbone: Backbone,
        role: str,
        calibration: Calibration,
        scale: str = "centered",
        shift: float = 2.0,
    ) -> None:
        if scale not in SCALES:
            raise UserError(f"rm.scale={scale}: not one of {', '.join(SCALES)}")
        self.backbone, self.role, self.calibration, self.kind, self.shift = (
            backbone,
            role,
            calibration,
            scale,
            shift,
        )

    @classmethod
    def open(
        cls,
        backbone: Backbone,
        path: str | Path,
        scale: str = "centered",
        shift: float = 2.0,
        role: str = "rm",
    ) -> RewardModel:
        """The reward model of a `final/`, put on the backbone as `role` (unless that role is there already).

        Raises UserError when it was trained on another base or with another chat template, is no reward model, or
        carries no calibration that serves.
        """
        final = find_final(path, "rm.path")
        calibration = read_calibration(final, backbone.base_hash, format_hash(backbone.fmt))
        if role not in backbone.roles():
            backbone.add_role(role, init_from=final, head=True)
        return cls(backbone, role, calibration, scale, shift)

    @torch.no_grad()
    def raw(self, samples: Sequence[Sample], batch_tokens: int) -> Tensor:
        """Raw scores `[batch]`, float32 on the CPU, in batches of at most `batch_tokens` padded tokens."""
        scores = torch.empty(len(samples))
        was_training = self.backbone.training
        self.backbone.eval()
        try:
            rows = families(samples) if self.backbone.shares_contexts else [[i] for i in range(len(samples))]
            if len(rows) == len(samples):  # nothing to share: no mask is needed then
                got = self._apart(samples, batch_tokens)
            else:
                got = self._shared(samples, rows, batch_tokens)
            for chosen, raw in got:
                scores[chosen] = raw.float().cpu()
        finally:
            self.backbone.train(was_training)
        return scores

    def _apart(self, samples: Sequence[Sample], batch_tokens: int) -> Iterator[tuple[list[int], Tensor]]:
        for chosen in micro_batches([len(s.ids) for s in samples], batch_tokens):
            batch = collate([samples[i] for i in chosen], self.backbone.fmt.pad_id).to(self.backbone.device)
            yield chosen, self.backbone.score(self.role, batch.ids, batch.attention)

    def _shared(
        self, samples: Sequence[Sample], rows: list[list[int]], batch_tokens: int
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Replies to one prompt in one row, the prompt once."""
        lengths = [row_length([samples[i].ids for i in row]) for row in rows]
        for micro in micro_batches(lengths, batch_tokens):
            batch = collate_shared([[samples[i] for i in rows[r]] for r in micro], self.backbone.fmt.pad_id)
            yield (
                [i for r in micro for i in rows[r]],
                self.backbone.score_shared(self.role, batch.to(self.backbone.device)),
            )

    def score(self, samples: Sequence[Sample], batch_tokens: int) -> Tensor:
        """Calibrated scores `[batch]` on the scale that was chosen; NaN where the raw score is not finite (an infinite
        one would look good on the sigmoid scale). Ensemble.total refuses those, on all ranks together."""
        raw = self.raw(samples, batch_tokens)
        scaled = self.calibration.scale(raw, self.kind, self.shift)
        return torch.where(torch.isfinite(raw), scaled, torch.nan)


def read_calibration(
    final: str | Path, base_hash: str | None = None, template_hash: str | None = None
) -> Calibration:
    """The calibration in a reward model's manifest; UserError when the model cannot serve on this base, or with this
    chat template (`format_hash`; a model of before that was stored is not asked)."""
    manifest = read_manifest(final, "rm.path")
    where = f"rm.path={final}"
    if manifest.kind != "rm":
        raise UserError(
            f"{where}: holds a {manifest.kind}, not a reward model", hint="the final/ of repo train-rm"
        )
    if base_hash is not None and manifest.base_hash != base_hash:
        raise UserError(
            f"{where}: was trained on another base ({manifest.base}, hash {manifest.base_hash[:12]}) "
            f"than this run's (hash {base_hash[:12]})",
            hint="train the reward model on this base: repo train-rm",
        )
    extra: Mapping[str, Any] = manifest.extra or {}
    trained_with = extra.get("format_hash")
    if template_hash is not None and trained_with is not None and trained_with != template_hash:
        raise UserError(
            f"{where}: was trained with another chat template than this run's (format {str(trained_with)[:12]}, here "
            f"{template_hash[:12]}), so it would read other tokens than it knows",
            hint="give the template and policy.template_kwargs that it was trained with, or train it again",
        )
    return Calibration.from_json(extra.get("calibration"), where)
