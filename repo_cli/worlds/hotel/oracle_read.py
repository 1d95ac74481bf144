"""Readings: what an agent's reply does, and what the partner has just said, taken from the text alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from repo_cli.negotiation import read_prices
from repo_cli.worlds.hotel import oracle_cues as cues
from repo_cli.worlds.hotel.oracle_breaches import text_breaches
from repo_cli.worlds.hotel.oracle_fluency import Fluency, read_fluency
from repo_cli.worlds.hotel.oracle_numbers import Numbers, read_numbers

_CONCERNS = {"en": cues.compiled(cues.CONCERN_EN), "zh": cues.compiled(cues.CONCERN_ZH, re.I)}
_CLASSES = {"en": cues.compiled(cues.CLASS_EN), "zh": cues.compiled(cues.CLASS_ZH, re.I)}
_MOVES = {"en": cues.compiled(cues.MOVES_EN), "zh": cues.compiled(cues.MOVES_ZH, re.I)}

#: What a partner may be doing; several can hold of one message.
_PARTNER_EN = {
    "opt_out": r"\bstop (?:messag|writ|call|contact|bother|text|send|ask|this|it\b)|leave (?:me|us) alone|(?:don't|do not|never|no more) (?:message|contact|write|call|text|bother)|unsubscribe|(?:take|remove) (?:me|us) (?:off|from)|go away|block(?:ed|ing)? you|report you|not hear from you|lose (?:this|our|my) number|get lost|no more messages|off your list|end of (?:story|discussion|conversation)|final answer",
    "refuse": r"^no\b(?! (?:problem|worries|idea|rush|one|extra|new|single))|[.!,;] ?no[.!,]|\bnope\b|\bno (?:way|thanks|thank you|chance|deal|need|discount)|(?:still|so|then|again) no\b|\bno[.!]*$|\b(?:good)?bye\b|not interested|(?:don't|do not|won't|will not|not going to|wouldn't|would not|refuse to|rather not|can't|cannot) (?:want|lower|drop|reduce|go (?:lower|down|on|there|below)|change|cut|do (?:that|it|this)|move|touch|accept|agree|offer|give|be (?:lower|going|chang)|sell|discount|need|wish|want)|(?:not|n't) (?:going|coming|moving|budging)(?: any)? (?:down|lower|further|from)|keep (?:our|my|the|it|that)[^.?!]{0,12}(?:price|rate|as|where|at)|leave it\b|forget (?:it|about)|not possible|impossible|out of the question|we pass|i(?:'ll| will)? pass\b|price stays|rate stays|stays? (?:at|where|as)|no means|declin|not (?:today|for us|doing|happening|budging|moving|changing|lowering)|i(?:'m| am) done|never\b[.!]",
    "no_authority": r"(?:not|n't) (?:my|mine|up to me|in charge|authori[sz]|allowed|the (?:one|right|person)|decide|have the (?:say|authority|power))|(?:only|just) (?:at |on |the |a |work )*(?:front desk|reception|desk|night|shift)|(?:owner|boss|manager|director|head office)[^.?!]{0,30}(?:decid|sets?|isn't|is not|not here|away|out|handles|has to|would have|makes|in charge|off|only)|(?:ask|talk to|speak (?:to|with)) (?:the |my |our )?(?:owner|boss|manager)|i can(?:'t|not) (?:decide|change prices)|above my|someone else",
    "busy": r"\bbusy\b(?! (?:season|time|period|week|month|night|day))|no time|(?:message|call|write|try|ping|text|contact) (?:me |us )?(?:back )?(?:later|tomorrow|another|again|some other)|\blater\b[.!,]?$|another (?:time|day)|(?:not a good|bad|wrong|terrible) (?:time|moment)|not (?:right )?now\b|\bqueue|in the middle of|hands (?:are )?full|swamped|rushed|guests? (?:are |is )?waiting|short[- ]staffed|can(?:'t| not|not) talk|come back later|gotta go|have to go|after (?:my|the) shift",
    "suspicious": r"scam|fraud|\bfake|\bprove|\bproof|how (?:do|can|would) (?:i|we) (?:know|tell|be sure|trust)|legit|for real|phish|are you (?:really|actually|truly) (?:from|with|the)|who (?:are|is) (?:you|this)|never heard of you|don't trust|trust you|suspicious|some kind of trick",
    "are_ai": r"(?:robot|\bbot\b|chatbot|machine|computer|\bai\b|automated|real person|human|software|program)\b[^.!]{0,25}\?|talking to (?:a |an )?(?:robot|bot|machine|person|human|computer|ai)|are you (?:even )?(?:a )?(?:human|real|person|robot)",
    "who_pays": r"who (?:pays|covers|bears|carries|takes)|(?:will|do|would|can|could|are) you (?:going to )?(?:pay|cover|share|split|chip in|contribute|compensate|subsidi[sz]e|match|pay for|take half)|your (?:share|contribution)|subsid|compensat|meet (?:us|me) half|go halves|put in",
    "why_dearer": r"same (?:price|rate|everywhere|on)|where (?:do|did|does|is) (?:you|it|that|this)[^?]{0,25}(?:see|find|get|from|cheaper)|dearer|not (?:cheaper|true|correct|right)|(?:we|i) (?:checked|looked)|i just (?:looked|checked)|can't be right|cannot be right|who (?:says|told)|i (?:don't|do not) see|show me where|which (?:platform|site)|that(?:'s| is) (?:wrong|not right)|i see (?:the )?(?:same|no)|cheaper where|says who|not what i (?:see|have|find)|nobody (?:sells|has|offers)|can't find (?:that|it)",
    "net": r"\bnet\b|after commission|in my (?:hand|pocket)|we (?:receive|get) at least",
    "conditional": r"\bbut only\b|only (?:if|on|for|sunday|monday|week|midweek|the|those|one|that)|except|(?:but|just) not (?:on|the|for|friday|saturday|weekend)|as long as|provided|on (?:one )?condition|weekdays? only|not (?:on )?(?:the )?weekends?|under one condition|without breakfast|if you (?:drop|leave out|exclude)",
    "complaint": r"bad review|complaint|\b(?:i|we)(?:'ll| will| want to| have to)? complain|(?:fix|remove|sort out|deal with|handle|delete)[^.?!]{0,25}(?:review|problem|issue|complaint|payment|invoice|rating)|review[^.?!]{0,20}(?:first|unfair|fake|wrong)|no[- ]shows?|late payment|still waiting for|owe us|support never|nobody (?:answers|replies)|your (?:service|support) (?:is|was)",
    "forced": r"(?:platform|system|you|you people)(?:'ve| have| has| just| always| keeps?| already)* (?:moved|changed|lowered|altered|touched|cut|dropped) (?:my|our) (?:price|rate)|(?:chang|alter|touch|adjust|mov|cut|lower|drop)\w* (?:our|my|the) (?:price|rate)s?\b[^.?!]{0,40}(?:without|behind|again|all the time|overnight|themselves|automatic|consent|permission)|without (?:asking|telling) (?:me|us)|keep (?:changing|lowering|touching|altering|cutting)",
    "off_topic": r"poem|weather|joke|\bsong\b|\bsing\b|football|match last|capital of|recipe|lottery|stock|election|movie|film|your (?:favou?rite|name|mother)|translate|horoscope|dinner|restaurant",
    "silence": r"^(?:h+m+|mm+|ok(?:ay)?|uh+|oh|eh|ah|so|and|well|right|huh|i see|\?|\.+)[ .!?…]*$|^[\W_]*$",
    "accept": r"^(?:yes|yeah|yep|yup|ok|okay|sure|fine|agreed|deal|go ahead|all ?right|correct|that's right|right|good|great|perfect|done|do (?:it|that|so)|please do|sounds? (?:good|fair|fine)|works|submit|accepted|exactly|confirmed|that works|we agree|i agree|let's do|you have|why not|very well|fair enough|i can live with|we can live with|i accept|we accept|it's a deal|i'm (?:fine|ok|in|good)|we're (?:fine|ok|in|good)|can do|that's (?:fine|ok|okay|good|acceptable)|alright)\b|\b(?:it's a deal|i accept|we accept|i agree|we agree|you've got a deal|put it (?:in|through)|go ahead|book it in|submit it|let's do (?:it|that)|that works|works for (?:me|us)|can live with (?:that|it))\b",
    "ask_price": r"what (?:do you (?:want|need|have in mind|propose|suggest|expect|offer)|price|rate|number|figure|would you|are you (?:asking|after|looking|proposing))|how (?:much|low|far)|your (?:offer|number|figure|proposal|suggestion)|name (?:a|your|the) (?:price|number|figure)|what(?:'s| is) (?:the|your) (?:number|offer|figure|proposal|ask|idea|suggestion)|which (?:price|rate|number)|what can you (?:pay|offer)|what would (?:work|help)",
    "ask_why": r"\bwhy\b|what (?:for|do i|do we|would (?:i|we)|is in it|'s in it)|what's the (?:point|reason|benefit|catch)|reason\b|get out of|how does (?:that|it|this) help|for what|benefit",
    "ask_what": r"which (?:room|dates?|nights?|hotel)|what (?:is (?:it|this)|room|dates?|nights?|about|do you mean|'s (?:it|this))|what's (?:it|this|up)|how can i help|tell me more|explain",
    "annoyed": r"(?:don't|didn't|not|never|aren't) (?:listen|read|answer)|did you (?:even )?(?:read|hear|listen)|not what i (?:said|asked|meant)|i (?:already |just )?(?:said|told you|asked)|too (?:many|much|long)|what are you (?:talking|saying)|makes no sense|same (?:thing|question|message|sentence)|repeat(?:ing)? yourself|^what\?|^huh\?|is that a threat|answer (?:me|my)|get to the point|you don't (?:listen|get)",
    "engaged": r"^(?:yes|yeah|sure|ok(?:ay)?|go (?:ahead|on)|tell me|i'?m listening|listening|speaking|correct|right|hello|hi|good (?:morning|afternoon|evening)|fine|what is it|i am|maybe|perhaps|let me|we'll see|all ?right|quickly|be (?:quick|brief)|shoot|proceed|that's (?:me|right|correct))\b",
    "soft": r"maybe|perhaps|might|could (?:be|consider|think|imagine)|think about|depends|let me (?:think|see)|not sure|we'll see|possibly|open to|interesting|i did(?:n't| not) know|fair point|hmm",
}  # fmt: skip

_PARTNER_ZH = {
    "opt_out": r"别(?:再)?(?:发|打|联系|烦|问|骚扰|找)|不要再|拉黑|投诉你|举报|删了|滚|退订|不用再",
    "annoyed": r"没听|听(?:不)?懂|没看|答非所问|说了|别绕|烦|啰嗦|问题(?:太|真)多|什么意思|看不懂|说什么",
    "refuse": r"再见|拜拜|不(?:用了|需要|降|做|行|干|想|可能|愿意|考虑|看了|同意|调|参加|了|要|接受|卖|动|便宜|弄|搞)|算了|免谈|没兴趣|没(?:得|法)(?:谈|商量|降)|就这(?:个)?价|维持原价|拒绝|没必要|不好意思|还是别|没门|降不了|做不到|保持(?:原价|现在)",
    "no_authority": r"做不了主|没(?:有)?[^。？！]{0,6}权限?|(?:只是|就是|我是)前台|老板(?:不在|定|说了|决定|才|管)|(?:要|得|需要|去)?问(?:一下)?(?:老板|经理|店长|领导)|没(?:有)?权|不归我|不是我(?:定|管|负责)|决定不了|经理(?:定|才|不在|管)|店长(?:定|才|不在|管)|值班的",
    "busy": r"忙|没空|晚点|回头(?:再)?(?:说|聊|联系)|改天|等会|没时间|排队|办入住|走不开|客人在等|一会儿再",
    "suspicious": r"骗|真的假的|怎么证明|凭什么(?:相信|信)|不信你|可疑|哪个平台|你(?:到底)?是谁|真的是平台|诈",
    "are_ai": r"机器人|人工智能|是AI|是真人|是人(?:工)?吗|智能客服|程序吧|自动回复",
    "who_pays": r"补贴|补(?:差|一半|吗|多少|给)|谁(?:来)?(?:出|承担|补|掏)|你们(?:平台)?(?:出|承担|分担|掏|让)|一人一半",
    "why_dearer": r"哪(?:里|儿)(?:便宜|贵|看)|(?:都)?一样(?:啊|的|价)|不可能|没看到|我(?:刚)?(?:看|查)(?:了|过)|谁说|看错|不对吧|哪个平台|不是吧",
    "net": r"底价|结算|净价|到手|净(?:收|拿)",
    "conditional": r"但(?:是)?(?:周末|只|不|要|得|平日|节假日|含|没|仅)|只(?:能|限|有)|除了|周末(?:不行|除外)|平日可以|前提|条件|(?:如果|要是).{0,12}(?:可以|行)|不含早",
    "complaint": r"差评|投诉|先把|没人(?:理|管|处理)|拖(?:了|着)|欠|结款|客服(?:不|没)",
    "forced": r"乱改|价格(?:都|又|就|老)(?:被)?(?:变|改)|没(?:人)?问过?(?:我|一声)|系统(?:自己|自动)|私自|擅自|自己(?:就)?(?:改|调|降)|(?:没|不)(?:经过?|跟|问|通知)(?:过)?我.{0,6}(?:改|调|降)|老(?:是)?(?:改|动|降)",
    "off_topic": r"写(?:首|个)?诗|天气|笑话|唱(?:首)?歌|球赛|彩票|股票|电影|几岁|吃(?:什么|饭)|翻译|算命",
    "silence": r"^(?:哦|嗯+|啊|额|呃|唔|好吧|是吗|ok|喔|噢|这样|\?|？|…+|。+)[。！？?!.…～~]*$",
    "accept": r"^(?:好|可以|行|成|对|是的|没问题|同意|就这样|嗯，?(?:好|可以|行)|提交吧|确认|成交|那就(?:这样|按)|没错|中|OK|ok|就按|按你说的|弄吧|改吧|通过|那行|那好)|(?:就这么定|就这样吧|成交|我同意|可以提交|提交吧|那就这样|就按这个)",
    "ask_price": r"(?:具体|到底)?(?:要|想要)什么|你(?:的)?(?:条件|方案|建议)|(?:要|想|多)(?:要|谈|降|调|到)?(?:多少|几)|多少(?:钱|合适|呢)?|什么价|报(?:个)?价|你说个数|降多少|怎么(?:降|谈|调)|接受多少",
    "ask_why": r"为什么|为啥|凭什么|有什么(?:好处|用)|什么好处|图什么|理由|怎么帮|有啥",
    "ask_what": r"什么情况|什么事|找我|哪(?:个|间|天|几天|种)房?|什么事|啥事|怎么了|说的是",
    "engaged": r"^(?:好|可以|行|嗯|你说|您说|说吧|说|请说|方便|在的|你好|您好|是的|对|我是|什么事|有事|讲|哪位|喂)",
    "soft": r"考虑|看看|再想|也许|可能可以|说不定|商量|不一定|想想|没想到|这样啊",
}  # fmt: skip
_PARTNER = {"en": cues.compiled(_PARTNER_EN), "zh": cues.compiled(_PARTNER_ZH, re.I)}

_NET_NEAR = re.compile(r"\bnet\b(?![^.!?]*[.!?].)|after commission|in my (?:hand|pocket)|底价|结算|净|到手")
_STANCE = re.compile(r"\bi(?:'m| am) the (?:owner|manager|boss)|i decide|我就是老板|我说了算|我负责")


@dataclass(frozen=True)
class ReplyReading:
    """What one agent reply does, whatever the state: moves, concerns and classes named, numbers, breaches."""

    text: str
    low: str
    moves: frozenset[str]
    concerns: frozenset[str]
    classes: frozenset[str]
    numbers: Numbers
    fluency: Fluency
    breaches: tuple[tuple[str, int], ...]
    sentences: frozenset[str]
    empathy: int
    flattery: int


@dataclass(frozen=True)
class PartnerReading:
    """What one message of the partner does; `offer` is a price named, `net` a net rate, `bound` a lower limit."""

    text: str
    intents: frozenset[str]
    concerns: frozenset[str]
    offer: float | None
    net: float | None
    numbers: frozenset[float]
    question: bool


def _language(text: str, fallback: str) -> str:
    cjk = sum("\u4e00" <= c <= "\u9fff" for c in text)
    if cjk == 0 and not re.search(r"[a-zA-Z]{2,}", text):
        return fallback
    return "zh" if cjk * 3 > len(text) - cjk else "en"


def _lower(text: str) -> str:
    return text.lower().replace("\u2019", "'")


@lru_cache(maxsize=65536)
def read_reply(text: str, own_names: tuple[str, ...] = ()) -> ReplyReading:
    """The reading of an agent reply; `own_names` (hotel, room) are not searched for classes or numbers."""
    fluency = read_fluency(text)
    language = fluency.language
    low = _lower(text)
    bare = low
    for name in own_names:
        if name:
            bare = bare.replace(name.lower(), " " * len(name))
    moves = frozenset(name for name, pattern in _MOVES[language].items() if pattern.search(low))
    concerns = frozenset(name for name, pattern in _CONCERNS[language].items() if pattern.search(bare))
    classes = frozenset(name for name, pattern in _CLASSES[language].items() if pattern.search(bare))
    sentences = frozenset(
        _normal(s) for s in fluency.sentences if len(_normal(s)) >= (8 if language == "zh" else 24)
    )
    return ReplyReading(
        text, low, moves, concerns, classes, read_numbers(bare), fluency, text_breaches(text, language), sentences,
        len(_MOVES[language]["empathy"].findall(low)), len(_MOVES[language]["flattery"].findall(low)),
    )  # fmt: skip


def _normal(sentence: str) -> str:
    return re.sub(r"[^\w\u4e00-\u9fff ]+", "", _lower(sentence)).strip()


@lru_cache(maxsize=65536)
def read_partner(text: str, language: str, current: float, last_ask: float | None) -> PartnerReading:
    """The reading of the partner's message, prices through the common price reader."""
    spoken = _language(text, language)
    low = _lower(text)
    intents = {name for name, pattern in _PARTNER[spoken].items() if pattern.search(low.strip())}
    concerns = {name for name, pattern in _CONCERNS[spoken].items() if pattern.search(low)}
    if _STANCE.search(low):
        intents.discard("no_authority")
        concerns.discard("authority")
    offer: float | None = None
    net: float | None = None
    numbers: set[float] = set()
    for price in read_prices(text, language=spoken, current=current, offer=last_ask):
        value = _value(price.kind, price.value, current, last_ask)
        values = price.value if price.kind == "range" else [value]
        numbers.update(float(v) for v in values if isinstance(v, (int, float)))
        if value is None:
            continue
        if price.kind == "net" or (
            "net" in intents and _NET_NEAR.search(low[max(0, price.span[0] - 30) : price.span[1] + 12])
        ):
            net = value
        elif not (price.kind == "price" and value == current and offer is not None):
            offer = value
    if offer is not None and ("silence" in intents):
        intents.discard("silence")
    question = "?" in text or "？" in text or bool(re.search(r"(?:吗|呢)[。！]?$", text.strip()))
    return PartnerReading(
        text, frozenset(intents), frozenset(concerns), offer, net, frozenset(numbers), question
    )


def _value(kind: str, value, current: float, last_ask: float | None) -> float | None:
    """One number for any kind of price expression, or None where there is none."""
    if kind in ("price", "net", "midpoint", "round") and isinstance(value, (int, float)):
        return float(value)
    if kind == "approx":
        return float(sum(value) / len(value)) if isinstance(value, (list, tuple)) else float(value)
    if kind == "delta" and isinstance(value, (int, float)):
        return float(current + value)
    if kind == "ratio" and isinstance(value, (int, float)):
        return float(round(current * value))
    if kind == "range":
        return float(value[0])
    if kind == "bound" and str(value[0]).startswith("delta"):
        return float(current - abs(value[1])) if isinstance(value[1], (int, float)) else None
    if kind == "bound":
        return float(value[1])
    return None


def in_sentence(reading: ReplyReading, cue: str) -> bool:
    """Whether the reply shows the move `cue`."""
    return cue in reading.moves
