"""Say what a number is: price, change, ratio, range, approximate, bound, net, or nothing to do with price.

The order of the questions matters: percent and 折, counts, changes (delta), net, range, bounds, approximations,
plain price.
"""

from __future__ import annotations

import re
from typing import Any

from . import cues
from .items import Context, Item
from .numbers_en import plain
from .numbers_zh import scan_zh

# kind, value, start, end, basis, currency
Verdict = tuple[str, Any, int, int, "str | None", "str | None"]


def _basis(item: Item, ctx: Context) -> None:
    right = ctx.right(item.end)
    m = cues.NIGHT.match(right)
    if m:
        item.basis, item.end = "night", item.end + m.end()
        return
    m = cues.STAY.match(right)
    if m:  # "350 for two nights" mostly means each; "700 in total", or a figure far above the price, the sum
        far = bool(ctx.current) and item.low >= 1.5 * (ctx.current or 0)
        item.basis = "stay" if far or "total" in m.group() or "all" in m.group() else None
        return
    left = ctx.left(item.start)
    if cues.NIGHT_LEFT.search(left):
        item.basis = "night"
    elif cues.STAY_LEFT.search(left):
        item.basis = "stay"


def _percent(item: Item, ctx: Context, left: str) -> tuple[bool, Verdict | None]:
    """(it is a percentage, verdict): ratio where the words say discount or rise, nothing elsewhere."""
    right = ctx.right(item.end)
    zh_left = cues.PERCENT_ZH_LEFT.search(left)
    m = cues.PERCENT.match(right)
    if not m and not zh_left:
        return False, None
    end = item.end + (m.end() if m else 0)
    start = item.start - (len(left) - zh_left.start() if zh_left else 0)
    left = ctx.left(start)
    right = ctx.right(end)
    v = item.low if item.high is None else item.high
    near = (
        re.split(r"[,.;!?，。；！？]", left)[-1][-24:] + "|" + re.split(r"[,.;!?，。；！？]", right)[0][:18]
    )
    if cues.COMMISSION.search(near) or v > 100:
        return True, None
    if cues.OF_PRICE.match(right):
        return True, ("ratio", plain(v / 100), start, end, None, None)
    down = cues.DOWN_RIGHT.match(right)
    up = cues.UP_RIGHT.match(right)
    points = m is not None and "点" in m.group()
    if down or cues.DOWN_LEFT.search(left) or (points and not up and not cues.UP_LEFT.search(left)):
        return True, ("ratio", plain(1 - v / 100), start, end + (down.end() if down else 0), None, None)
    if up or cues.UP_LEFT.search(left):
        return True, ("ratio", plain(1 + v / 100), start, end, None, None)
    return True, None


def _zhe(item: Item, ctx: Context, left: str) -> tuple[bool, Verdict | None]:
    """折 and 成: 八五折 0.85, 让两成 0.8, 卖八成 0.8."""
    right = ctx.right(item.end)
    v = item.number.value if item.high is None else item.high
    m = cues.ZHE.match(right)
    if m:
        factor = v / 100 if v >= 10 else v / 10
        if not 0 < factor < 1:
            return True, None
        return True, ("ratio", plain(factor), item.start, item.end + m.end(), None, None)
    m = cues.CHENG.match(right)
    if not m or v >= 10 or item.number.form == "digits" and v != int(v):
        return False, None
    end = item.end + m.end()
    if ctx.right(end).startswith("半"):
        v, end = v + 0.5, end + 1
    near = left[-14:] + "|" + ctx.right(end)[:8]
    if cues.COMMISSION.search(near):
        return True, None
    if cues.DOWN_LEFT.search(left) or re.match(r"的?(?:优惠|折扣|利)", ctx.right(end)):
        return True, ("ratio", plain(1 - v / 10), item.start, end, None, None)
    if cues.UP_LEFT.search(left):
        return True, ("ratio", plain(1 + v / 10), item.start, end, None, None)
    if cues.SHARE_LEFT.search(left) or re.match(r"的?(?:价|卖|算)", ctx.right(end)) or not left.strip():
        return True, ("ratio", plain(v / 10), item.start, end, None, None)
    return True, None


def _counted(item: Item, ctx: Context, left: str) -> bool:
    """Rooms, nights, searches, guests: a count. Splits 三百五一晚 into 350 and 一晚."""
    if item.has_unit:
        return False
    right = ctx.right(item.end)
    m = cues.COUNT_ZH.match(right)
    if m and item.number.form == "zh" and ctx.text[item.end - 1] in "一两" and item.number.end == item.end:
        head = _strip_last(item, ctx)
        if head is not None:
            item.low, item.end = head, item.end - 1
            item.basis = (
                "night" if m.group().strip()[0] in "晚夜间天" and ctx.text[item.end] == "一" else "stay"
            )
            return False
    if m and item.number.form != "words":
        if m.group().strip() == "间" and ctx.right(item.end + 1)[:1] == "夜" and item.low >= 100:
            return False
        return True
    if cues.COUNT_EN.match(right) or cues.COUNT_OF.match(right) or cues.ROAD.match(right):
        return True
    if cues.COUNT_LEFT.search(left) or (cues.PHONE_LEFT.search(left) and item.low >= 1000):
        return True
    original = ctx.original[max(0, item.start - 12) : item.start]
    return bool(cues.NAME_LEFT.search(original))


def _strip_last(item: Item, ctx: Context) -> float | None:
    """The number without its final 一 or 两, when that leaves at least a hundred: 三百五一 -> 350."""
    word = ctx.text[item.number.start : item.number.end - 1]
    if not word or word[-1] in "零〇":
        return None
    got = scan_zh(word)
    if len(got) == 1 and got[0].end == len(word) and got[0].value >= 100 and got[0].high is None:
        return got[0].value
    return None


def _delta(item: Item, ctx: Context, left: str) -> Verdict | None:
    right = ctx.right(item.end)
    value = item.low if item.high is None else item.low
    if cues.TO_LEFT.search(left) and not re.search(r"\bup to\s*$", left):
        return None
    signed = re.fullmatch(r"\s*([-+])\s?", ctx.text[: item.start]) if item.start < 4 else None
    if signed:  # "-50", "+20" and no more words before it
        return (
            "delta",
            plain(value if signed[1] == "+" else -value),
            signed.start(1),
            item.end,
            None,
            item.currency,
        )
    down_l = cues.DOWN_LEFT.search(left)
    up_l = None if down_l else cues.UP_LEFT.search(left)
    down_r = cues.DOWN_RIGHT.match(right)
    up_r = None if down_r else cues.UP_RIGHT.match(right)
    if (
        down_r
        and re.match(r"\s?(?:below|under|down|lower)", right)
        and not re.match(r"\s?lower\s?(?:than\b|$|[,.!?])", right)
    ):
        # "30 below that" is a change; "350 down the line" is not
        if not re.match(
            r"\s?(?:below|under|down|lower) (?:that|yours|it|the|platform|than|what|our|your|a)\b", right
        ) and not re.match(r"\s?(?:down|lower)\s?(?:$|[,.!?])", right):
            down_r = None
    if (
        up_r
        and re.match(r"\s?(?:above|over|up)", right)
        and not re.match(r"\s?(?:above|over|up) (?:that|yours|it|platform|what)\b", right)
    ):
        up_r = None
    if not (down_l or up_l or down_r or up_r) or (value < 5 and not item.has_unit):
        return None
    down = bool(down_l or down_r)
    if up_l and down_r:
        down = True
    # a "change" of more than half the price is a price: "drop 350" said of 388
    anchors = ctx.anchors()
    if anchors and value > 0.5 * min(anchors) and not (down_r or up_r) and not _said_amount(left):
        return None
    end = item.end + (down_r.end() if down_r else up_r.end() if up_r else 0)
    hit = down_l or up_l
    cue = left[hit.start() :] if hit else left
    near = re.split(r"[,.;!?，。；！？]", left)[-1][-26:]
    sign = -1 if down else 1
    start = item.start - (len(cue) if hit else 0)
    if cues.DELTA_LEAST.search(near):
        op = "delta<=" if down else "delta>="
        return "bound", [op, plain(sign * value)], start, end, None, item.currency
    if cues.DELTA_MOST.search(near) and not re.search(r"\bonly\b", near):
        op = "delta>=" if down else "delta<="
        return "bound", [op, plain(sign * value)], start, end, None, item.currency
    return "delta", plain(sign * value), start, end, None, item.currency


def _said_amount(left: str) -> bool:
    return bool(re.search(r"\b(?:by|minus|discount of|off|plus)\s*$|[减少]\s*$|便宜(?:了|个)?\s*$", left))


def _bound(item: Item, ctx: Context, left: str) -> list | None:
    right = ctx.right(item.end)
    v = item.low if item.high is None else item.low
    if cues.GE_LEFT.search(left) or cues.GE_RIGHT.match(right):
        return [">=", v]
    below = cues.LE_RIGHT.match(right)
    if cues.LE_LEFT.search(left) or below:
        floor = (
            below and re.search("以下|往下", below.group()) and cues.NO_DEAL_RIGHT.match(right[below.end() :])
        )
        return [">=" if floor else "<=", v]
    lt = cues.LT_LEFT.search(left)
    if lt or cues.LT_RIGHT.match(right):
        return [">=", v] if lt and cues.NO_DEAL_RIGHT.match(right) else ["<", v]
    if cues.GT_LEFT.search(left):
        return [">", v]
    return None


def _approx(item: Item, ctx: Context, left: str) -> Any:
    """The approximate value, or None when the words claim exactness."""
    n, v = item.number, item.low
    right = ctx.right(item.end)
    if n.vague:
        return [plain(n.vague[0]), plain(n.vague[1])]
    step = n.scale if n.scale > 1 else 100 if v % 100 == 0 and v >= 100 else 10
    m = cues.PART_LEFT.search(left)
    if n.plural or (m and v % 100 == 0 and v >= 100):
        part = m.group(1) if m else ""
        low, high = {"l": (0, 0.3), "e": (0, 0.3), "m": (0.4, 0.6), "h": (0.7, 0.99), "u": (0.7, 0.99)}.get(
            part[:1], (0, 0.99)
        )
        if part == "late":
            low, high = 0.7, 0.99
        base = 1000 if v % 1000 == 0 and v >= 1000 else 100
        return [plain(v + low * base), plain(v + high * base)]
    if cues.JUST_OVER_LEFT.search(left) or cues.OVER_RIGHT.match(right):
        return [v, plain(v + 0.2 * step)]
    if cues.JUST_UNDER_LEFT.search(left):
        return [plain(v - 0.2 * step), plain(v - 1)]
    if cues.LATE_RIGHT.match(right):
        return [plain(v + 0.6 * step), plain(v + step - 1)]
    if cues.ODD_RIGHT.match(right) and v >= 10:
        return [plain(v + 1), plain(v + step - 1)]
    if cues.LAI_RIGHT.match(right) and n.form == "zh":
        return v
    if cues.APPROX_RIGHT.match(right) or cues.APPROX_LEFT.search(left):
        return v
    return None


def _is_price(item: Item, ctx: Context, left: str) -> bool:
    """May a number without any cue stand as a price?"""
    n, v = item.number, item.low
    if v <= 0:
        return False
    if ctx.whole is n or item.has_unit or (item.basis and (v >= 10 or item.end > n.end)):
        return True
    if v > 200000:
        return False
    right = ctx.right(item.end)
    if n.form == "zh":
        # a bare figure of Chinese is a price only with a unit (百) or as three figures read one by one
        return v >= 100 or (v >= 20 and bool(cues.PRICE_LEFT.search(left)))
    if re.match(r"[a-z]", right) and not right.startswith(("ish", "k")):
        return False
    if v >= 30:
        return n.form == "digits" or v >= 100 or bool(cues.PRICE_LEFT.search(left))
    return v >= 15 and bool(re.search(r"(?:price|rate)(?: is| of)?\s*$", left))


def classify(item: Item, ctx: Context) -> Verdict | None:
    """What this number is, or None when it is no price."""
    left = ctx.left(item.start)
    for test in (_percent, _zhe):
        is_it, verdict = test(item, ctx, left)
        if is_it:
            return verdict
    if item.low <= 0 or _counted(item, ctx, left):
        return None
    if cues.GAP_LEFT.search(left) or cues.GAP_RIGHT.match(ctx.right(item.end)):
        return None
    _basis(item, ctx)
    delta = _delta(item, ctx, left)
    if delta is not None and item.low < 100000:
        return delta
    start, end, tail = item.start, item.end, (item.basis, item.currency)
    net = cues.NET_LEFT.search(left)
    right = ctx.right(item.end)
    if (net and not cues.SELL.search(net.group())) or cues.NET_RIGHT.match(right):
        if item.low >= 10 or item.has_unit:
            return "net", item.low, start, end, *tail
    if item.number.high is None and item.high is not None or item.number.high is not None:
        if item.low >= 20 or item.has_unit:
            return "range", [plain(item.low), plain(item.high or item.low)], start, end, *tail
        return None
    approx = _approx(item, ctx, left)
    firm = item.has_unit or item.basis or item.low >= 30
    if (
        approx is not None
        and (cues.JUST_OVER_LEFT.search(left) or cues.JUST_UNDER_LEFT.search(left))
        and firm
    ):
        return "approx", approx, start, end, *tail
    if firm:
        bound = _bound(item, ctx, left)
        if bound is not None:
            return "bound", bound, start, end, *tail
    if approx is not None and (firm or item.low >= 20):
        return "approx", approx, start, end, *tail
    if not _is_price(item, ctx, left):
        return None
    return "price", item.low, start, end, *tail
