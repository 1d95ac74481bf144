"""The library of checks: importing this module fills `CHECKS` with all of them."""

from __future__ import annotations

from repo_cli.rewards import (
    rule_checks_agreed,
    rule_checks_answer,
    rule_checks_brief,
    rule_checks_dates,
    rule_checks_facts,
    rule_checks_form,
    rule_checks_limits,
    rule_checks_prices,
    rule_checks_rival,
    rule_checks_state,
    rule_checks_sums,
)
from repo_cli.rewards.rule_check_base import CHECKS, CheckEntry, bind, check

LIBRARY = (
    rule_checks_agreed,
    rule_checks_answer,
    rule_checks_brief,
    rule_checks_dates,
    rule_checks_facts,
    rule_checks_form,
    rule_checks_limits,
    rule_checks_prices,
    rule_checks_rival,
    rule_checks_state,
    rule_checks_sums,
)

__all__ = ["CHECKS", "CheckEntry", "bind", "check"]
