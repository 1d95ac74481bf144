"""Dialogues: files of messages, their validation, and the one place where they become tokens.

messages.py  what a dialogue is, and what makes one wrong        (no torch)
files.py     JSONL, Parquet and hub data sets, bad rows by file and line (no torch)
template.py  what a chat template can do, found by rendering with it
tokens.py    ChatFormat: contexts, replies, masks
batches.py   padding, micro-batches, shares of ranks             (torch)
checks.py    rows to samples; what is left to learn after truncation
validate.py  the report of `repo data validate`
show.py      the coloured tokens of `repo data show`
pairs.py     preference pairs from human dialogues with outcomes; outcomes.py reads those
"""
