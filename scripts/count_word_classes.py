"""Makes the hidden oracle's tables of neighbouring word classes from files of human dialogues.

    python scripts/count_word_classes.py en DIALOGUES.jsonl... zh DIALOGUES.jsonl...

Each file holds one object a line with `messages: [{role, content}]`. Only counts of class pairs go into the tables
(repo_cli/worlds/hotel/oracle_syntax_tables.py). The shipped tables were counted over 40,160 English sentences of
CraigslistBargain and PersuasionForGood and 7,722 Chinese ones of CrossWOZ.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parent.parent / "repo_cli/worlds/hotel/oracle_syntax_tables.py"
SMOOTHING = {"en": 3.0, "zh": 8.0}


def sentences(path: str) -> Iterator[str]:
    """Sentences of three words (four characters) or more, lower-cased."""
    with open(path, encoding="utf-8") as handle:
        for line in handle:
            for message in json.loads(line).get("messages", []):
                if message["role"] != "system":
                    for sentence in re.findall(r"[^.?!。？！\n]+", message["content"]):
                        if len(sentence.split()) >= 3 or len(re.findall(r"[\u4e00-\u9fff]", sentence)) >= 4:
                            yield sentence.lower().replace("\u2019", "'")


def table(language: str, paths: list[str]) -> list[str]:
    """One line for each class: pointwise mutual information with every class that may follow, one character each."""
    from repo_cli.worlds.hotel.oracle_syntax import OFFSET, SPACE, SYMBOLS, symbols

    pairs: Counter[str] = Counter()
    for path in paths:
        for sentence in sentences(path):
            tags = symbols(sentence, language)
            pairs.update(tags[i : i + 2] for i in range(len(tags) - 1))
    first, second, total = Counter(), Counter(), sum(pairs.values())
    for pair, n in pairs.items():
        first[pair[0]] += n
        second[pair[1]] += n
    lines, alpha = [], SMOOTHING[language]
    for a in SYMBOLS[language]:
        line = ""
        for b in SYMBOLS[language]:
            base = (second[b] + 1) / total
            bits = math.log2((pairs[a + b] + alpha * base) / (first[a] + alpha) / base)
            line += chr(SPACE + OFFSET + max(-OFFSET, min(45, round(2 * bits))))
        lines.append(line)
    return lines


def main(arguments: list[str]) -> None:
    """Writes the tables of the languages named on the command line."""
    files: dict[str, list[str]] = {}
    language = ""
    for argument in arguments:
        if argument in SMOOTHING:
            language = argument
        else:
            files.setdefault(language, []).append(argument)
    out = '"""Tables of oracle_syntax.py, made by scripts/count_word_classes.py: see there."""\n\n'
    out += "from __future__ import annotations\n\n# fmt: off\nTABLES: dict[str, tuple[str, ...]] = {\n"
    for language, paths in files.items():
        out += (
            f'    "{language}": (\n'
            + "".join(f"        {line!r},\n" for line in table(language, paths))
            + "    ),\n"
        )
    TARGET.write_text(out + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
