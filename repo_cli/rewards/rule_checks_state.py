"""Checks against the state of the dialogue: asks, refusals, open offers, agreements and exits."""

from __future__ import annotations

import re

from repo_cli.negotiation import is_acceptance, is_ask
from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_reading import CLEAR, Finding, NotScored, Reading, near

#: Words with which an agent takes a price or records it.
_TAKES = re.compile(
    r"(?i)\b(?:agree[ds]?|accept(?:ed|s)?|deal|done|confirm(?:ed|ing|s)?|record(?:ed|ing)?|not(?:ed|"
    r"e (?:it|that|down))|submit|book(?:ed)? in|put (?:it |that )?(?:down|in|through)|works (?:for|well|"
    r"with)|(?:that|it|\d+(?: \w+)?) works|we (?:can |will |'ll )?(?:do|take) (?:it|that|\d+)|tak(?:e|"
    r"ing) (?:it|that|your|the|\d+)|go(?:ing)?(?: ahead)? with|settled?|fine (?:for|with|by)|happy (?:with|"
    r"to)|good for us|that is (?:fine|good|great)|so (?:it is|we have))\b|接受|成交|同意|确认|记录|记下|"
    r"登记|提交|就按|按您说的|没问题|就这么定|定在|就定|那就|说定|收到"
)
_CLOSES = re.compile(
    r"(?i)\b(?:thank(?:s| you)|leave (?:it|this|things) (?:here|there|at that|as)|no further|not (?:write|"
    r"message|contact|bother|disturb|trouble|ask)|won't (?:write|message|contact|bother|disturb|trouble|"
    r"ask)|stop here|clos(?:e|ing) (?:this|here|the)|nothing changes|no more (?:messages?|asks?)|"
    r"hear no more|stays? (?:as (?:it is|is)|the same|unchanged|at \d+)|unchanged|wish(?:ing)? you|goodbye|"
    r"good (?:day|season|evening)|all the best|take care|have a (?:good|nice|great))\b|感谢|谢谢|不打扰|"
    r"不再[^，。]{0,3}(?:打扰|联系|发|提|问)|先这样|到这里|到此|祝|保持不变|维持(?:原价|现价)|一切照旧|"
    r"不变|再见"
)
#: Words with which an agent takes its leave: fewer than `_CLOSES`, since thanks and "nothing changes" also go on.
_PARTS = re.compile(
    r"(?i)\b(?:wish(?:ing)? you|goodbye|good (?:day|season|evening)|all the best|take care|have a (?:good|nice|great)|"
    r"thank(?:s| you) for (?:your time|talking)|leave (?:it|this|things) (?:here|there|at that)|stop here|"
    r"clos(?:e|ing) (?:this|here))\b|祝|再见|不打扰|先这样|到这里|到此"
)
#: Words that carry out a deal: what only follows an agreement.
_CARRIES_OUT = re.compile(
    r"(?i)\b(?:I|we)(?:'ll| will| shall| am going to| are going to)?(?: now| then)? (?:submit|record|enter|register|"
    r"put (?:it|that|this) (?:in|through))\b|\b(?:as agreed|(?:it|this|that) is (?:recorded|submitted|agreed)|"
    r"when it is live|submitted now)\b|(?:我|我们)(?:这就|马上|现在|会|就){0,2}(?:帮您|为您|给您)?"
    r"(?:提交|录入)|已(?:提交|录入)|按约定|按说好的"
    r"|(?i:\b(?:I|we)(?:'ve| have)? (?:now |just |already )?(?:recorded|registered|submitted|filed|logged|booked)\b(?! that\b)|"
    r"\b(?:I'm|I am|we're|we are|I'll|I will|let me) (?:now )?(?:putting|put|entering|booking|book|filing|file|sending|send|logging|log|"
    r"recording|registering|submitting) (?:it|this|that|\d+|the (?:new )?(?:rate|price))\b|\b(?:I|we)(?:'ve| have) (?:now |just )?(?:put|sent|passed|entered) (?:it|\d+)\b|\b\d{2,} is in\b|\b(?:it's|that's|that is|it is|we have|we've got) "
    r"(?:a deal|settled|agreed|an agreement|done)\b|\b\d{2,}(?: \w+){0,3} (?:is|has been) (?:settled|noted|agreed|recorded|registered|"
    r"confirmed)\b|\b\d{2,} (?:confirmed|agreed|noted)\b|\b(?:thanks|thank you) for (?:agreeing|accepting|confirming)\b|"
    r"\bwe (?:agreed|have agreed|settled) (?:on|to|at)\b|\bI(?:'ll| will) (?:register|record|note|file|enter) (?:it|this|\d+)\b)"
    r"|成交|(?:已经|给您|帮您|这就|马上|现在就)[^，。？！；]{0,6}(?:登记|录[入进]|安排上|上报|报上去|走流程|提交)|(?:我|我们)去报|我(?:这就|现在|马上)?(?:来)?记录(?:下)?\d|现在提交|"
    r"(?:\d+|[百十][一二三四五六七八九]?)[^，。？！；]{0,4}(?:就?定了|说定|记下了|成交|确认，|登记)|(?:咱们?|我们)?说(?:好|定)了|谢谢您(?:的)?(?:同意|答应|接受)"
)
#: Words that ask for less than what stands.
_LOWER = re.compile(
    r"(?i)\b(?:(?:a (?:bit|little|touch)|any|even|still|slightly|go|some) (?:lower|less|cheaper)|(?:come|"
    r"go) down|bring (?:it )?down|(?:could|can|would|will) you (?:please )?(?:reduce|drop|lower)|"
    r"one more step)\b|再(?:低|降|便宜|少|让)|便宜(?:点|些)|低(?:一)?点|降(?:一)?点|让(?:一)?点"
)
_WISHES = re.compile(r"(?i)[?？]|\b(?:maybe|perhaps|I'd (?:still )?(?:like|love)|hope|please|let's|try)\b|希望|试试|还是想|争取|吧")
#: Words that press for a lower price without a figure.
_PRESSES = re.compile(
    r"(?i)\b(?:(?:small|little|tiny|slight|modest|any) (?:discount|reduction|cut|concession)\b[^.!]{0,20}(?:\?|at least|maybe)|"
    r"(?:a (?:little|bit|touch|few yuan)|something|anything) off\b|room (?:on|in|for) (?:the |your )?(?:price|rate|movement)|"
    r"(?:reconsider|rethink|think (?:again|twice) about|be (?:more )?flexible|budge|meet (?:me|us|in the middle)|split the difference|"
    r"one last (?:time|try|offer)|change your mind|think it over|(?:any|no|some|another) (?:\w+ )?way (?:to|of) (?:lower|reduc|go|com|drop)\w*|(?:what|which|how much)(?: \w+)? (?:price|rate|figure|amount|discount) (?:would|could|can|do|will))\b(?![^.?!]{0,30}\bif you\b))"
    r"|再(?:考虑|想想|商量|看看|通融|给[点些])|(?:您)?(?:最低|多少)(?:能|可以|才)(?:做|行|接受|给)|(?:真的?|实在)(?:一点|半点)?(?:都|也)?不能(?:降|让|少|便宜)|(?:便宜|优惠|让|降|低|少)(?:一)?(?:点|些|丁点)(?:点|儿)?(?:呢|吧|吗|也行|也好|行)|"
    r"(?:还|总)(?:能|有|可以)[^，。？！]{0,4}(?:降|低|余地|空间|让|优惠)|各让一步|各退一步|折中|松松口|给个面子|通融"
)


def _asks(r: Reading) -> bool:
    return bool(is_ask(r.text, r.at.language))


def _takes(r: Reading) -> bool:
    return bool(_TAKES.search(r.text)) or bool(is_acceptance(r.text))


def _below(r: Reading, price: float) -> Finding | None:
    """The first amount under `price` that is not a fact of the brief nor a gap between two amounts in
    play."""
    current = r.at.maybe("current_price")
    gaps = (
        [abs(current - a.value) for a in r.plain_amounts] + [current - price] if current is not None else []
    )
    for amount in r.amounts:
        if amount.value < price - 0.51 and not near(amount.value, [*_quoted(r), *gaps]):
            return r.found(amount.span, f"{amount.value:g} is below {price:g}")
    return None


def _quoted(r: Reading) -> list[float]:
    """Values of facts that the reply may repeat: a competitor's price only where it speaks of one."""
    speaks = re.search(r"(?i)\b(?:platform|channel|site|elsewhere)|平台|渠道|别处|别家", r.text)
    return [
        float(f["value"])
        for f in r.at.facts
        if isinstance(f.get("value"), int | float) and (speaks or f.get("type") != "competitor_price")
    ]


def _asked_of(r: Reading, found: Finding) -> bool:
    """Whether the sentence of a finding is a question."""
    return bool(re.search(r"[?？]\s*$|[吗呢]\s*[。.]?\s*$", r.cut(r.sentence_of(found.span))))


@check()
def no_ask(r: Reading) -> Finding | None:
    """The reply asks for a price, where `when:` says that it must not."""
    return r.whole("asks for a price") if _asks(r) else CLEAR


@check()
def no_ask_after_refusals(r: Reading, *, refusals: int = 2) -> Finding | None:
    """A price is asked for after so many refusals, or after a hard refusal or an opt-out."""
    state = r.at.state
    if state.refusals < refusals and not state.hard_refusal and not state.opted_out:
        return None
    presses = _asks(r) or _PRESSES.search(r.text) or _hopes(r)
    return r.whole(f"asks after {state.refusals} refusals") if presses else CLEAR


def _hopes(r: Reading) -> bool:
    """Whether the reply puts a figure of its own on the table, as a question or a wish."""
    known = [*r.at.partner_amounts, *_quoted(r), *([r.at.maybe("current_price")] if r.at.maybe("current_price") else [])]
    fresh = [a for a in r.amounts if not near(a.value, [k for k in known if k is not None])]
    return bool(fresh) and bool(_WISHES.search(r.text))


@check()
def max_asks(r: Reading, *, limit: int | None = None) -> Finding | None:
    """One price ask more than `limit` (default: the scenario's max_asks, else 3)."""
    most = limit if limit is not None else r.at.maybe("max_asks")
    most = 3 if most is None else most
    if r.at.state.asks < most:
        return None
    return r.whole(f"ask number {r.at.state.asks + 1}, {most:g} are allowed") if _asks(r) else CLEAR


def _agreed(r: Reading) -> float | None:
    price = r.at.state.agreed_price
    return float(price) if isinstance(price, int | float) else None


@check()
def agreed_price_kept(r: Reading) -> Finding | None:
    """A price stands agreed, and the reply names other amounts without it."""
    agreed = _agreed(r)
    if agreed is None or not r.plain_amounts:
        return None
    nights = r.at.maybe("nights") or 1
    said = [a for a in r.plain_amounts if a.kind != "net"]
    if near(agreed, [a.value for a in said]) or near(agreed * nights, [a.value for a in said]):
        return CLEAR
    current = r.at.maybe("current_price")
    harmless = [*_quoted(r), *([current, current - agreed] if current is not None else [])]
    wrong = next((a for a in said if not near(a.value, harmless)), None)
    return r.found(wrong.span, f"{wrong.value:g} where {agreed:g} is agreed") if wrong else CLEAR


@check()
def no_retrade(r: Reading) -> Finding | None:
    """A price stands agreed, and the reply asks for a lower one."""
    agreed = _agreed(r)
    if agreed is None:
        return None
    below = _below(r, agreed)
    if not _asks(r) and not (below and (_LOWER.search(r.text) or _asked_of(r, below))):
        return CLEAR
    if below:
        return below
    lower = _LOWER.search(r.text)
    return r.found(lower.span(), "asks again after an agreement") if lower else CLEAR


@check(finds="success")
def recaps_agreement(r: Reading) -> Finding | None:
    """A price stands agreed, and the reply names exactly it, without asking for less.

    Applies until the agent has confirmed.
    """
    agreed, state = _agreed(r), r.at.state
    if agreed is None or state.opted_out or state.partner_confirmed or "S6" in state.agent_stages:
        return None
    named = next((a for a in r.plain_amounts if near(a.value, [agreed])), None)
    if named is None or _below(r, agreed) or _LOWER.search(r.text):
        return CLEAR
    return r.found(named.span, f"{agreed:g} is kept")


def _open_offer(r: Reading) -> float | None:
    state = r.at.state
    if (
        not state.partner_offer_open
        or not isinstance(state.partner_offer, int | float)
        or _agreed(r) is not None
    ):
        return None
    return float(state.partner_offer)


@check(finds="success")
def accepts_good_offer(r: Reading) -> Finding | None:
    """The partner's open offer is within `acceptable_price`, and the reply takes it with the right figure."""
    limit = r.at.number("acceptable_price")
    offer = _open_offer(r)
    if offer is None or offer > limit + 0.01:
        return None
    named = next((a for a in r.plain_amounts if near(a.value, [offer])), None)
    if named is None or not _takes(r) or _below(r, offer) or _LOWER.search(r.text):
        return CLEAR
    return r.found(named.span, f"takes {offer:g}")


@check()
def no_bad_deal(r: Reading) -> Finding | None:
    """The partner's open offer is above `acceptable_price`, and the reply takes it."""
    limit = r.at.number("acceptable_price")
    offer = _open_offer(r)
    if offer is None or offer <= limit + 0.01:
        return None
    takes = _TAKES.search(r.text)
    named = near(offer, [a.value for a in r.plain_amounts])
    if (
        takes
        and named
        and not _asks(r)
        and not re.search(r"(?i)\b(?:not|cannot|can't|but)\b|不|但|没法", r.text)
    ):
        return r.found(takes.span(), f"takes {offer:g}, above {limit:g}")
    return CLEAR


@check(finds="success")
def right_exit(r: Reading, *, refusals: int = 2) -> Finding | None:
    """After a hard refusal, an opt-out or `refusals` refusals the reply closes: thanks or good-bye, no ask,
    no question.

    Does not apply while an offer within `acceptable_price` stands, or once a price is agreed.
    """
    state = r.at.state
    over = state.hard_refusal or state.opted_out or state.refusals >= refusals
    if not over or _agreed(r) is not None:
        return None
    offer, limit = _open_offer(r), r.at.maybe("acceptable_price")
    if offer is not None and limit is not None and offer <= limit and not state.opted_out:
        return None
    closes = _CLOSES.search(r.text)
    if closes is None or _asks(r) or re.search(r"[?？]", r.text):
        return CLEAR
    return r.found(closes.span(), "closes")


@check()
def claims_agreement(r: Reading) -> Finding | None:
    """The reply carries out a deal (submits, records) that the partner has not agreed to; a question does not count.

    Does not apply while an offer within `acceptable_price` stands, since taking that offer is an agreement.
    """
    offer, limit = _open_offer(r), r.at.maybe("acceptable_price")
    if _agreed(r) is not None or (offer is not None and (limit is None or offer <= limit + 0.01)):
        return None
    for words in _CARRIES_OUT.finditer(r.text):
        if not re.search(
            r"[?？]|(?i:\b(?:once|if|until|unless|after|before|when|without|nothing|not|no)\b)|您(?:确认|同意(?:的话|了|后|就|之)|点头|没)|"
            r"如果|要是|之前|不会|才",
            r.cut(r.sentence_of(words.span())),
        ):
            return r.found(words.span(), "carries out what was not agreed")
    return CLEAR


@check()
def early_close(r: Reading, *, refusals: int = 1) -> Finding | None:
    """The reply takes its leave (no question, no price, no appointment) from a partner who is still in the talk.

    Leaving is right after a confirmed deal, `refusals` refusals, a hard refusal or an opt-out, when the last ask is
    spent, and with someone who has no time or no authority (O05, O02).
    """
    state = r.at.state
    over = state.hard_refusal or state.opted_out or state.refusals >= refusals or _agreed(r) is not None
    spent = state.asks >= (r.at.maybe("max_asks") or 3)
    if over or spent or set(state.partner_intents) & {"O02", "O05", "O14"}:
        return None
    parts = _PARTS.search(r.text)
    if parts is None or _asks(r) or r.plain_amounts or re.search(r"[?？]", r.text):
        return CLEAR
    return r.found(parts.span(), "leaves too early")


@check()
def one_clear_figure(r: Reading) -> Finding | None:
    """The reply asks for a price without naming one, or names two that could both be meant.

    Facts, the current price and what the partner said are no asks.
    """
    if not _asks(r):
        return None
    current = r.at.maybe("current_price")
    if current is None:
        raise NotScored("the scenario has no current_price")
    nights = r.at.maybe("nights") or 1
    said = [current, *r.at.fact_values(), *r.at.partner_amounts]
    fresh = {round(a.value) for a in r.amounts if not near(a.value, said)}
    # nothing new: an ask for what a competitor shows, or for what the partner once named
    asked = fresh or {round(a.value) for a in r.plain_amounts if not near(a.value, [current])}
    asked = {
        v for v in asked if not any(v != w and near(v, [w * nights, abs(current - w)], 1.0) for w in asked)
    }
    if len(asked) == 1:
        return CLEAR
    return r.whole("asks without a figure" if not asked else f"several figures: {sorted(asked)}")
