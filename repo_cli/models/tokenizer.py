"""The tokenizer that a policy has, without its model: for `repo data show` and `repo data validate`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from repo_cli.dialogue.tokens import ChatFormat
from repo_cli.errors import UserError
from repo_cli.models.loading import resolve_start
from repo_cli.models.tiny import train_tokenizer


def open_format(cfg: Any, texts: Iterable[str]) -> ChatFormat:
    """Tokenizer and template of `policy.parent` or `policy.path`; for a policy that is still to be built, a
    tokenizer of its size trained on `texts`.

    Raises:
        UserError: there is no tokenizer at that place, or the policy names none.
    """
    from transformers import AutoTokenizer

    policy = cfg.policy
    start = resolve_start(policy.path, policy.parent)
    if start is not None:
        key = "policy.parent" if policy.parent else "policy.path"
        try:
            tokenizer = AutoTokenizer.from_pretrained(start.base, trust_remote_code=policy.trust_remote_code)
        except (OSError, ValueError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"{key}: no tokenizer at {start.base}: {first}") from None
    elif policy.build is not None:
        tokenizer = train_tokenizer(texts, policy.build.vocab_size)
    else:
        raise UserError("policy.path is null, and so are policy.parent and policy.build")
    return ChatFormat(tokenizer, policy.template_kwargs, policy.max_length)
