"""A name for how dialogues become tokens: chat template, its arguments and tokenizer, by what they do.

A reward model reads a reply behind the tokens that it was trained on. On the same weights another template (or
`policy.template_kwargs`) puts other tokens there, and the score means nothing; the hash of the base does not show it.
"""

from __future__ import annotations

import hashlib
import json

from repo_cli.dialogue.messages import Message
from repo_cli.dialogue.tokens import ChatFormat

_TEXT = (
    "Could we try 350 CNY for June 18 and 19? Guests compare: Harbour View asks 358.50, breakfast for two.",
    "No - our costs are high (no margin!), and it's peak season.\n\nCall me on Monday, OK?  Thanks.",
    "价格388元一晚，含双早，可以吗？我们酒店的周末比较满。",
    "caf\u00e9 \U0001f642 <b>\t1,200.5%</b>",
)


def format_hash(fmt: ChatFormat) -> str:
    """sha256 (hex) over the ids of a few fixed dialogues, contexts and replies. Lengths that fit into a window
    (`policy.max_length`) take no part: cutting is not a matter of the template."""
    system, user = {"role": "system", "content": _TEXT[2]}, {"role": "user", "content": _TEXT[1]}
    agent, again = {"role": "assistant", "content": _TEXT[0]}, {"role": "user", "content": _TEXT[3]}
    dialogues: list[list[Message]] = [
        [],
        [system],
        [user],
        [system, user],
        [system, user, agent, again],
        [system, agent, user, agent, again],
    ]
    ids = [fmt.ids_of(messages) for messages in dialogues] + [fmt.reply_ids(text) for text in _TEXT]
    return hashlib.sha256(json.dumps([ids, fmt.end_ids]).encode()).hexdigest()
