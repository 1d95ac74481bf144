"""Emotional value of one agent reply, 1 to 5: does it meet what troubles the partner?

Asked only where the partner's last message shows something to meet: a worry, annoyance, an objection or a refusal.
    1    hurts: threat, guilt, pressure, asking on after a plain no
    2    passes over it
    3    a stock phrase, or comfort for everything at once
    4    names a worry that the partner voiced earlier; 4.5 one of this very message
    +0.5 and leaves the choice with the partner
Garbled words meet nobody: 1.5 at most. Evaluation only, as all of the oracle.
"""

from __future__ import annotations

from repo_cli.worlds.hotel.oracle_moment import Moment

_HURTS = frozenset(
    ("threat", "guilt", "pressure", "pressed", "ask_after_refusal", "push_in_range", "exclusivity")
)
#: What the partner's last message calls for when it was a no or a but.
_TROUBLED = frozenset(("objection", "refusal", "enough", "optout"))


def emotional_value(m: Moment, breaches: set[str]) -> float | None:
    """The rating, or None where there is nothing to meet; `breaches` are the kinds found in the reply."""
    if m.partner is None:
        return None
    voiced = frozenset(m.state.voiced)
    if not (m.partner.concerns or m.need in _TROUBLED or "annoyed" in m.partner.intents):
        return None
    if breaches & _HURTS:
        return 1.0
    free = m.has("choice", "no_change", "close")
    if "stuffing" in breaches:
        score = 3.0
    elif m.named:
        score = 4.5 + 0.5 * free
    elif m.reply.concerns & voiced:
        score = 4.0 + 0.5 * free
    else:
        score = 3.0 if m.has("ack") or m.reply.empathy else 2.0
    garble = m.reply.fluency.garble
    if garble >= 1.0:
        return min(score, 1.5)
    if "repeat" in breaches:
        score -= 1.0
    return round(max(1.0, score - (0.5 if garble >= 0.3 else 0.0)), 2)
