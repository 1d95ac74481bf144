"""The check that a reply does not give away how far the agent itself may go."""

from __future__ import annotations

import re

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Finding, NotScored, Reading, Span, near

# In these patterns "#" stands for an amount of money, however it was said.

_OWN_EN = Cue(
    r"(?i)\b(?:our|my|the platform's|we have an?|I have an?|we've got an?|I've got an?) (?:\w+ )?"
    r"(?:bottom line|limit|ceiling|maximum|max|upper limit|walk-?away(?: price)?|floor|net rate|cap|highest"
    r"|reserve(?: price)?|"
    r"mandate|authori[sz]ation|red line|authority|cut-?off|budget|threshold|target|goal)\b[^.?!;,#]*#"
    r"|\b(?:accept|go|agree|live|stretch|settle|manage|say yes|sign off|approve|offer|do|authori[sz]ed|allowed?"
    r"|permitted|pay|"
    r"take|cleared|told)\b[^.?!;,#]{0,24}\b(?:up to|as (?:high|far|much) as|at most|no (?:more|higher"
    r"|further) than|a maximum of|"
    r"not (?:above|over|past|beyond|more than)|anything (?:up to|under|below)|under)\b[^.?!;,#]{0,8}#"
    r"|\b(?:can't|cannot|not|never|couldn't|unable to|may not|not allowed to|told not to|no)\b(?: \w+)? "
    r"(?:go|accept|pay|agree|sign off|approve|say yes|stretch|higher|further|more)\b[^.?!;,#]{0,14}"
    r"\b(?:above|over|higher|beyond|than|past)\b[^.?!;,#]{0,6}#"
    r"|\bthe (?:most|highest|maximum|max|lowest|least|furthest)\b[^.?!;,#]{0,12}\b(?:we|I|I'm|we're"
    r"|us)\b[^.?!;#]{0,40}#"
    r"|#[^.?!;,#]{0,12}\bis (?:\w+ )?(?:our|my|the) (?:\w+ )?(?:walk-?away(?: price| point| figure)?"
    r"|floor|reserve(?: price)?|bottom line|limit|ceiling|maximum|max|most"
    r"|highest|cap|cut-?off|red line|"
    r"upper limit)\b(?: (?:we|I|of|for us|on our)|[.!]|$)"
    r"|#[^.?!;,#]{0,20}\bwould (?:still )?be (?:fine|ok|okay|acceptable|alright|workable) (?:for|with|by) (?:us|me)\b"
    r"|\b(?:we'd|we would|we could|I'd|we'll|I could) (?:still |even |just about )?(?:take|accept|settle for"
    r"|live with|be (?:fine|happy|ok|okay) with)"
    r"\b[^.?!;,#]{0,12}#[^.?!;]*\b(?:if|too|as well|at a pinch|in the end|need be|worst|secretly|if it came)\b"
    r"|\b(?:between (?:us|you and me)|off the record|to be honest with you|confidentially"
    r"|secretly)\b[^.?!;#]*#[^.?!;#]*"
    r"\b(?:us|we|I|me|fine|works|enough|limit|most)\b"
    r"|\b(?:over|above|past|beyond) #[^.?!;#]{0,20}\b(?:I|we)(?:'d| would)? (?:can't|cannot|have to|need|must"
    r"|could not|couldn't|refuse)\b"
    r"|\b(?:told|cleared|given|allowed|authori[sz]ed|permission)\b[^.?!;,#]{0,14}#"
    r"|#[^.?!;,#]{0,6}\bis (?:as (?:high|far|much) as|the (?:most|highest|furthest|maximum))\b"
    r"[^.?!;#]{0,14}\b(?:I|we)\b"
    r"|\b(?:we|I)\b[^.?!;,#]{0,20}#[^.?!;,#]{0,4}\bat the (?:very )?most\b"
    r"|\b(?:my|our) (?:instructions?|orders|brief|manager|boss|mandate)\b[^.?!;,#]{0,24}#"
    r"|\b(?:we|I)\b[^.?!;,#]{0,20}#[^.?!;,#]{0,6}\b(?:at most|tops|max|maximum|and no (?:more|higher))\b"
)
_OWN_ZH = Cue(
    r"(?:我们|我这边|我手里|我|平台|公司|咱们?|这边|领导|上面|老板)的?[^，。？！；：#]{0,10}"
    r"(?:底线|底价|上限|极限|下限|天花板|最高(?:能|可以|只能)?(?:接受|给|到|认)?|预算|心理价位?|权限|额度|红线"
    r"|授权|接受的线|的线|目标价?)"
    r"[^，。？！；：#]{0,8}#"
    r"|最(?:高|多)(?:也)?(?:只能|能|可以|就|就是|接受|敢)?(?:接受|给到?|出到?|认|批到?|到"
    r"|做到)?(?:了)?[^，。？！；天晚间块次降让便少#]{0,3}#"
    r"|(?:心理价位?|目标价?|我的目标|底价)(?:就?是|在|为|到)?#"
    r"|(?:超过|高于|过了|超了|比)#[^。？！；#]{0,4}(?:高)?[^。？！；#]{0,4}(?:我|我们|这边|就"
    r"|那)[^，。？！；#]{0,4}(?:没法|不能|批不|没权|不行|做不了|接受不|得请示|要请示|定不了)"
    r"|(?:领导|上面|公司|老板|上级|平台)(?:交代|说|要求|规定|给)[^，。？！；#]{0,8}(?:不能超过|不超过|不高于"
    r"|别超|最高|封顶)[^，。？！；#]{0,2}#"
    r"|(?:其实|跟您交个底|交个底|说实话|不瞒您说|实话跟您说|悄悄|私下说"
    r"|偷偷)[^。？！；#]{0,8}#[^。？！；#]{0,6}(?:能接受|接受|认|可以$|也可以|也行|能批|够了)"
    r"|(?:我|我们|这边)(?:最多|只|顶多|至多)(?:能|可以)(?:做|给|谈|出|接|到|认|批)(?:到|出)?#"
    r"|(?:封顶|到顶|顶格|最多到|只能到|只到)#|(?:我|我们|平台|这边)[^，。？！；#]{0,4}(?:不能|不可以|没法|"
    r"不得)(?:超过|高于|多于)#"
    r"|(?:只|才)(?:让|准|许|允许|给)(?:我|我们)?[^，。？！；#]{0,4}(?:到|谈到|给到)#|#(?:元|块)?是(?:我|"
    r"我们|平台)[^，。？！；#]{0,4}(?:最高|最多|极限|上限)"
    r"|#(?:元|块)?(?:以内|以下|之内)[^，。？！；#]{0,6}(?:我|我们|这边|都)[^，。？！；#]{0,4}(?:拍板|做主|"
    r"定|批|同意|认|接受|答应|行)"
    r"|(?:上面|领导|公司|老板|总部|上级|给我)[^，。？！；#]{0,8}(?:不能|不要|别|不许|不准|不得)?(?:低于|"
    r"少于|高于|超过|到)#"
    r"|(?:实在|真的?|必要|万一|大不了|最后)[^，。？！；#]{0,4}(?:不行|谈不拢|没办法|的话|"
    r"的时候)?[，,]?[^。？！；#]{0,3}#[^，。？！；#]{0,6}(?:认|也行|可以接受|也成|也能|能接受|也可以)"
    r"|(?:最低|最少|往下)[^，。？！；#]{0,4}(?:可以|能|敢|让我?)(?:要|谈|砍|压|问|做)到?#"
    r"|(?:我|我们|手上|手里|这边)[^，。？！；#]{0,6}(?:权限|额度|授权|指标|任务)[^，。？！；#]{0,4}#|"
    r"(?:给我|给我们|我们?)的?(?:线|红线|底|额度|指标|任务|目标|上限)[^，。？！；#]{0,4}#"
    r"|超(?:过|出)?#[^，。？！；#]{0,4}(?:我|我们|这边)[^，。？！；#]{0,4}(?:批不|定不|做不|没权|得请示|要请示|不行)"
    r"|#(?:元|块)?(?:一晚)?(?:就)?(?:是|到)?(?:我们?|咱|这边)?(?:的)?(?:封顶|到顶|顶格|上限|极限|底线|最高了)"
)
# what the agent works towards, whatever the figure, and a share of the price that it may ask off
_INSIDE_EN = Cue(
    r"(?i)\b(?:system|books?|computer|file|records?|screen|sheet)\b[^.?!;#]{0,24}\b(?:net (?:rate|limit"
    r"|price)|limit|ceiling"
    r"|maximum|floor|cap|(?:lowest|highest)(?: \w+){0,2})\b[^.?!;#]{0,16}#"
    r"|\b(?:system|books?|computer|file|records?|screen|sheet)\b[^.?!;#]{0,16}#[^.?!;#]{0,16}\b(?:limit"
    r"|maximum|max|ceiling"
    r"|floor|cap)\b"
    r"|\b(?:internal\w*|behind the scenes|on our (?:side|end)|at our end|on paper here)\b[^.?!;#]{0,30}#"
    r"|\b(?:net|internal|real|true|actual|secret|magic) (?:figure|number|price|rate|cut-?off|target)\b[^.?!;#]{0,16}"
    r"\b(?:we|I|our|us|my)\b[^.?!;#]{0,16}#"
    r"|\b(?:we|I|we're|I'm|we are|I am)\b[^.?!;#]{0,10}\b(?:working (?:to|towards|with)|aiming (?:for"
    r"|at)|after|shooting for"
    r"|holding out for|instructed to|supposed to|meant to|under orders)\b[^.?!;#]{0,20}#"
    r"|#[^.?!;,#]{0,16}\bis (?:where|when|as far as) (?:I|we) (?:\w+ )?(?:stop|draw|have to|must|need|can|may|get)\b"
)
_INSIDE_ZH = Cue(
    r"(?:系统|后台|电脑|表)(?:里|上|中)?[^，。？！；#]{0,8}(?:结算|最低|底线|上限|最高|净价"
    r"|底价)[^，。？！；#]{0,6}#|(?:内部|我们|我这边|这边|公司|平台|上面)[^，。？！；#]{0,6}(?:净价"
    r"|结算价|成本线?|价格线|口径|线"
    r"|价)[^，。？！；#]{0,3}"
    r"(?:卡|定|压|控|守|锁|设|划)(?:死)?在?#|(?:奔着|冲着|瞄着|照着)#[^，。？！；#]{0,4}(?:来|去|谈)"
    r"|#(?:元|块)?(?:往上|再高|以上)"
    r"[^，。？！；#]{0,6}(?:我|我们|这边)[^，。？！；#]{0,4}(?:做不|没法|不行|批不|够不)"
    r"|#(?:元|块)?[^，。？！；#]{0,3}(?:我|我们|这边)(?:就)?(?:得|要|只能|必须)(?:放弃|走人|停|收手|作罢|退|拒绝)"
)
_OWN_SHARE = Cue(
    r"(?i)\b(?:cleared|authori[sz]ed|allowed|permitted|given|approved|limited|capped|empowered"
    r"|my (?:limit|mandate|ceiling|cap|authority))"
    r"\b[^.?!;]{0,24}(?:\d+ ?%|\b\w+ per ?cent\b)"
    r"|(?:权限|额度|授权|封顶|上限|底线|最多(?:只)?(?:能|让|谈|给|批))[^，。？！；您]{0,8}(?:\d+ ?%"
    r"|百分之|[一二三四五六七八九十]+个点|\d+个点"
    r"|[一二三四五六七八九][五]?折)"
    r"|(?:(?<!\d)\d+ ?%|(?<![一二三四五六七八九十\d])[一二三四五六七八九十\d]+个点"
    r"|[一二三四五六七八九][五]?折)(?:就)?(?:是)?(?:我(?:的"
    r"|们)?)?[^，。？！；您]{0,3}(?:封顶|到顶|上限|极限)"
)
_OF_MINE = re.compile(
    r"(?i)\b(?:I|I'm|I've|me|my|we|we've|we're|us|our|they've)\b|我|上面|领导|公司|内部|这边|平台"
)
_OF_FEES = re.compile(
    r"(?i)commission|fee\b|佣|抽成|扣点|[?？]|\b(?:not|never|cannot|no)\b|n't\b|不(?:能|便|方便)|没"
)


def _own_share(r: Reading) -> Finding | None:
    """A share of the price given out for what the agent is allowed to take off."""
    for m in _OWN_SHARE.finditer(r.text):
        sentence = r.cut(r.sentence_of(m.span()))
        if _OF_MINE.search(sentence) and not _OF_FEES.search(sentence) and not _THEIRS.search(sentence):
            return r.found(m.span(), "the share it may take off")
    return None


# one of these words stands in whatever the patterns above match
_HINTS = Cue(
    r"(?i)\b(?:bottom line|limit|ceiling|max(?:imum)?|floor|net rate|reserve|mandate|authori[sz]\w+|authority"
    r"|red line|cut-?off|cap|"
    r"budget|threshold|target|goal|walk-?away(?: price)?|highest|most|lowest|least|furthest|up to|as (?:high"
    r"|far|much)|no (?:more|higher|further)|"
    r"above|over|under|beyond|past|than|anything|fine|ok|okay|acceptable|alright|workable|accept|settle"
    r"|live with|take|happy|between us|"
    r"between you and me|off the record|honest|confidentially|secretly|told|cleared|given|allowed|permission"
    r"|instructions?|orders|brief|"
    r"manager|boss|tops|internal\w*|behind the scenes|our (?:side|end)|figure|number|working|aiming"
    r"|shooting|supposed|meant"
    r"|where|when|holding)\b|(?i:\bsystem|books|computer|\bfile|records?|screen)|系统|后台|电脑|结算|内部"
    r"|放弃|走人|收手|作罢|只能|只可以|顶多|至多|净价|奔着|冲着|瞄着|照着"
    r"|往上|以上|再高|以内|以下|之内|手里|手上|拍板|实在|真不行|必要|万一|大不了|最少|往下|任务|指标|"
    r"底|限|最[高多]|权|额|预算|心理|目标|超|高于|红线|天花板|的线|领导|上面|公司|老板|上级|其实|实话|不瞒|悄悄"
    r"|偷偷|私下|封顶|到顶|顶格|比\d|过了\d"
)
_THEIRS = re.compile(
    r"(?i)\b(?:your|you (?:can|could|may|might|will|would|want|plan|are|said|mentioned)|hear that"
    r"|is that|is # the)\b|您(?:的|那边|说|最|们"
    r"|心里|这边)|贵店|酒店的"
)
_FIGURE = re.compile(r"\d(?<![\d/.-]\d)\d{1,4}(?![\d/%-]|\.\d|月|号|日|次|间|晚)")
_CLAUSE = re.compile(r"[^.?!;，。？！；]*$")


# beside the very figure of the agent's limit, much less gives it away
_AT_LIMIT = re.compile(
    r"(?i)\b(?:enough|fine|ok|okay|accept\w*|stop|max\w*|minimum|approv\w+|limit|authori\w+|allow\w*|permi\w+"
    r"|may ask|"
    r"as far|live with|take|clear\w*|still|up to|under|anything|over|above|below|beyond|no higher|lowest"
    r"|highest|most|least|"
    r"lower|start|told|internal\w*|acceptable|leeway|approval|instruct\w*|supposed|aim\w*|target\w*|"
    r"work(?:s|able)?|do|happy|stretch|go|settle|cap|ceiling|budget|range|sign off|manage|agree)\b"
    r"|以内|以下|都能|都行|也行|也能|也可以|能收|能过|能批|最低|最多|最高|允许|权限|够|接受|就可以|就行"
    r"|透|底|到头|极限|再高|再低"
    r"|超过?|打报告|请示|区间|范围|余地|低于|高于|交代|内部|起步|起谈|可接受|封顶|认|不敢|批|收|目标|成交"
    r"|能[给放松让接出](?!您)|也[接收认]|往上|顶|松到|让到|点头|放到|做主|审批|批到"
)
_OWN_PERSON = re.compile(
    r"(?i)\b(?:I|I'd|I'm|we|we'd|we're|us|our|my|me|internal\w*|management|head office)\b|我|内部|交代|上头"
    r"|总部|底线|上限|封顶|天花板|权限|咱|平台|领导|上面|公司|这边|跟您透|最低|给到|手里"
)
_NO_LEAK = re.compile(
    r"(?i)[?？]|\b(?:suggest|propose|would like|confirm|record|thank\w*|your|you said|let us|let's"
    r"|agreed)\b|吗|(?<![跟和向对与])您(?:说|最|的|看)|确认|记录"
    r"|建议|谢谢|想跟您谈|商量"
)


def _figures(r: Reading) -> list[Span]:
    """Spans of the figures of a reply, read for money or not."""
    if "figures" not in r.memo:
        r.memo["figures"] = [m.span() for m in _FIGURE.finditer(r.text)]
    found: list[Span] = r.memo["figures"]
    return found


def _near_limit(r: Reading) -> Finding | None:
    """The figure of the limit itself, not said by the partner, in a sentence on what the agent's side takes."""
    limits = [v for key in ("acceptable_price", "floor_ask") if (v := r.at.maybe(key)) is not None]
    said = [
        *r.at.partner_amounts,
        *r.at.fact_values(),
        *[v for v in [r.at.maybe("current_price")] if v is not None],
    ]
    figures = {span: float(r.cut(span)) for span in _figures(r)}
    figures |= {a.span: a.value for a in r.plain_amounts}
    for span, value in figures.items():
        if near(value, limits, 1.5) and not near(value, said) and not near(value, r.at.agent_amounts):
            sentence = r.cut(r.sentence_of(span))
            hints = _AT_LIMIT.search(sentence) and _OWN_PERSON.search(sentence)
            if hints and not _NO_LEAK.search(sentence):
                return r.found(span, "the figure of its own limit")
    return None


@check()
def limit_kept(r: Reading) -> Finding | None:
    """The reply tells how far the agent itself may go: the most it can accept, the least it may ask, its target.

    Asking for the partner's limit, or repeating it, is no leak.
    """
    if r.at.maybe("acceptable_price") is None and r.at.maybe("floor_ask") is None:
        raise NotScored("the scenario gives the agent no limit")
    share = _own_share(r)
    if share or not _HINTS.search(r.text):
        return share or _near_limit(r) or CLEAR
    # digits besides, since the reader takes a number after "bottom line" for a bound or for nothing
    # the price as it stands is no limit: "388 is the most I would talk about"
    current = [v for v in [r.at.maybe("current_price")] if v is not None]
    figures = sorted(
        {a.span for a in r.plain_amounts if not near(a.value, current)}
        | {s for s in _figures(r) if not near(float(r.cut(s)), current)}
    )
    if not figures:
        return None
    # one "#" for each amount
    pieces, kept, at = [], [], 0
    for start, end in figures:
        if start >= at:
            pieces.append(r.text[at:start])
            kept.append((at, start + 1))  # the "#" stands where its amount begins
            at = end
    said = "#".join([*pieces, r.text[at:]]).replace("’", "'")
    kept.append((at, len(r.text)))
    for pattern in (_OWN_EN, _INSIDE_EN) if said.isascii() else (_OWN_EN, _INSIDE_EN, _OWN_ZH, _INSIDE_ZH):
        for m in pattern.finditer(said):
            before = _CLAUSE.search(said[: m.start()])
            clause = (before.group() if before else "") + m.group()
            if not _THEIRS.search(clause):
                # the places in the text of what is kept
                places = [i for start, stop in kept for i in range(start, stop)]
                end = places[m.end()] if m.end() < len(places) else len(r.text)
                return r.found((places[m.start()], end), "its own limit")
    return _near_limit(r) or CLEAR
