"""What a chat template can do, found by rendering small dialogues with it.

Stock templates differ in ways that no list of model names keeps up with: Gemma refuses a system message,
some demand that the user speaks first, some lose a system message that stands alone, the tokens that end a
reply have many names. `Template` asks the template itself, once, and then renders any valid dialogue with it:

- no system role: the system text goes to the top of the first user turn, a blank line between them;
- an agent that writes first: after a system message, where the template allows it; else `OPENING`, a neutral
  user turn, is put before it. So it is without a system message (transformers renders no empty dialogue). It
  is the same in training and in rollouts, and stands in the context only: it is never learned;
- the date that some templates print is held still (`FIXED_DATE`), so that tokens do not depend on the day
  of the run;
- text of a message that spells a control token (`<|im_end|>`) is broken with a space: what a person, a
  counterpart or the policy types can never open or close a turn.

No torch here; the tokenizer is any of transformers' with a chat template.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from repo_cli.dialogue.messages import Message, split_system
from repo_cli.errors import UserError

OPENING = "(The conversation starts.)"
FIXED_DATE = "26 Jul 2024"
_SYSTEM, _USER, _REPLY, _USER2 = "Qsystemq 12.", "Quserq 34?", "Qreplyq 56.", "Qagainq 78?"


class Template:
    """Renders dialogues with a tokenizer's chat template.

    Attributes:
        system_role: whether the template renders a system message.
        agent_opens: whether an agent turn can come, or be asked for, right after a system message.
        controls: control tokens that occur in rendered text, as text.
        end_text: what closes an assistant turn, from the end of its text up to and with the first control
            token ("" when the template closes turns with no control token at all).

    Raises:
        UserError: no chat template, or one that does not render a plain user turn.
    """

    def __init__(self, tokenizer: Any, kwargs: dict[str, Any], opening: str = OPENING) -> None:
        try:
            text = tokenizer.get_chat_template()
        except Exception as error:
            raise UserError(
                f"the tokenizer of {tokenizer.name_or_path or 'the policy'} has no chat template",
                hint="take an instruction-tuned model, or put chat_template.jinja beside its tokenizer",
            ) from error
        if "strftime_now" in text:  # a macro of that name hides the function that reads the clock
            text = "{%- macro strftime_now(format) -%}" + FIXED_DATE + "{%- endmacro -%}" + text
        self._text = text
        self._tokenizer = tokenizer
        self._kwargs = {"date_string": FIXED_DATE, **kwargs}
        self._opening = {"role": "user", "content": opening}
        self._added = sorted(
            (t.content for t in tokenizer.added_tokens_decoder.values()), key=len, reverse=True
        )
        special = [
            t.content for t in tokenizer.added_tokens_decoder.values() if t.special and len(t.content) > 1
        ]
        self._special = re.compile(
            "|".join(re.escape(t) for t in sorted(special, key=len, reverse=True)) or r"(?!)"
        )
        self._special_starts = re.compile(
            "[" + re.escape("".join({t[0] for t in special})) + "]" if special else r"(?!)"
        )
        self._probe()

    def render(self, messages: Sequence[Message], prompt: bool = True) -> str:
        """The dialogue as text, with (`prompt`) the words that ask the assistant for its next turn."""
        return self._raw(self._shape(messages), prompt)

    def harmless(self, text: str) -> str:
        """`text` with every control token that it spells broken by a space after its first character."""
        if not self._special_starts.search(text):
            return text
        while (hit := self._special.search(text)) is not None:
            at = hit.start() + 1
            text = f"{text[:at]} {text[at:]}"
        return text

    def _raw(self, messages: Sequence[Message], prompt: bool) -> str:
        rendered = self._tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=prompt,
            chat_template=self._text,
            **self._kwargs,
        )
        assert isinstance(rendered, str)
        return rendered

    def _shape(self, messages: Sequence[Message]) -> list[Message]:
        """The messages as this template can take them (see the module's head). Agent turns lose outer
        white space, as a decoded reply does."""
        shaped = []
        for m in messages:
            text = m["content"].strip() if m["role"] == "assistant" else m["content"]
            shaped.append({"role": m["role"], "content": self.harmless(text)})
        system, turns = split_system(shaped)
        agent_opens = not turns or turns[0]["role"] == "assistant"
        if agent_opens and not (system and self.agent_opens):
            turns.insert(0, self._opening)
        if system and not self.system_role:
            turns[0] = {"role": "user", "content": f"{system[0]['content']}\n\n{turns[0]['content']}"}
            system = []
        return system + turns

    def _probe(self) -> None:
        system, user = {"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}
        reply, user2 = {"role": "assistant", "content": _REPLY}, {"role": "user", "content": _USER2}

        def shows(*messages: Message) -> bool:
            """Whether the template renders all of these, in order, each once."""
            try:
                rendered = self._raw(messages, prompt=True)
            except (
                Exception
            ):  # a template may refuse with any error: raise_exception, a missing index, a type error
                return False
            places = [rendered.find(m["content"]) for m in messages]
            return -1 not in places and places == sorted(places) and len(rendered) > 0

        if not shows(user, reply, user2):
            raise UserError(
                f"the chat template of {self._tokenizer.name_or_path or 'the policy'} "
                "does not render a plain dialogue of texts",
                hint="templates of vision models often take lists of parts; take a text model's template",
            )
        self.system_role = shows(system, user, reply, user2)
        self.agent_opens = self.system_role and shows(system) and shows(system, reply, user2)
        closed = self._raw([user, reply], prompt=False)
        middle = self._raw([user, reply, user2], prompt=True)
        self.controls = [t for t in self._added if t in closed or t in middle]
        self.end_text = self._end(closed) or self._end(middle)

    def _end(self, rendered: str) -> str:
        """What follows the reply, up to and with the first control token; "" if there is none."""
        tail = rendered[rendered.rindex(_REPLY) + len(_REPLY) :]
        hit = re.search("|".join(re.escape(t) for t in self.controls), tail) if self.controls else None
        return tail[: hit.end()] if hit and not tail[: hit.start()].strip() else ""
