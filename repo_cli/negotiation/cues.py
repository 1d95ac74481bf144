"""The words around a number that say what it is. English and Chinese side by side, one table per meaning.

A left cue is matched against the text that ends where the number begins (anchored at the end), a right cue
against what follows it. Both see at most WINDOW characters, so the work per number is bounded.
"""

from __future__ import annotations

import re

from .bilingual import Bilingual

WINDOW = 44


def _left(*parts: str) -> Bilingual:
    return Bilingual("|".join(parts), after=r"\s*$")


def _right(*parts: str) -> Bilingual:
    return Bilingual("|".join(parts), before=r"\s*")


# --- units -------------------------------------------------------------------------------------------------
CURRENCY_LEFT = re.compile(r"(?:cny|rmb|yuan|usd|us\$|hk\$|hkd|eur|gbp|sgd|[$¥€£]|人民币)\s?$")
CURRENCY_RIGHT = re.compile(
    r"\s?(?:cny\b|rmb\b|yuan\b|renminbi\b|kuai\b|bucks?\b|dollars?\b|usd\b|euros?\b|eur\b|pounds?\b|quid\b|gbp\b"
    r"|hkd\b"
    r"|人民币|块钱|块(?!的?地)|元(?!旦|宵)|美元|美金|欧元|港币|刀(?!具)|大洋|¥|€)(?:整|人民币)?"
)
FOREIGN = {
    "USD": re.compile(r"usd|us\$|(?<!hk)\$|dollars?|美元|美金|刀"),
    "EUR": re.compile(r"eur|€|欧元"),
    "GBP": re.compile(r"gbp|£|pounds?|quid"),
    "HKD": re.compile(r"hk\$|hkd|港币"),
}
NIGHT = _right(
    r"(?:/|per|a|each|every|for (?:one|a|each|every)|for the)\s?(?:room[ -])?(?:night|room|nite)\b",
    r"(?:nightly|pn\b|p/n\b)",
    r"(?:/|一|每|每一|1)\s?个?(?:间夜|晚上?|夜|间|天|房晚)",
)
NIGHT_LEFT = _left(
    r"(?:per night|a night|nightly|each night)(?: (?:is|at|of|for|:))?",
    r"(?:每晚|一晚|每间夜|每天|单晚)(?:是|要|卖|给|价|价格|就)?",
)
STAY = _right(
    r"(?:for (?:both|the two|two|three|all|2|3|4)(?: of the)? nights|in total|all in all|altogether|total"
    r"|for the (?:whole )?stay)\b",
    r"(?:两晚|三晚|2晚|3晚|全部)",
)
STAY_LEFT = _left(
    r"(?:total|altogether|both nights|two nights)(?: (?:is|at|of|for|:|comes to))?:?",
    r"(?:一共|总共|合计|总价|两晚|三晚|2晚|3晚)(?:是|要|共|:)?",
)

# --- no price ----------------------------------------------------------------------------------------------
_COUNTED = (
    r"(?:rooms?|nights?|guests?|search(?:es)?|bookings?|people|persons?|adults?|children|child|kids?|beds?|days?"
    r"|weeks?"
    r"|months?|years?|minutes?|mins?|hours?|hrs?|seconds?|secs?|times|reviews?|stars?|points?|views?|clicks?"
    r"|visitors?"
    r"|visits?|orders?|stays?|units?|properties|property|hotels?|messages?|asks|travell?ers?|customers?|users?"
    r"|listings?"
    r"|cancellations?|complaints?|keys?|floors?|pages?|questions?|photos?|pictures?|couples?|families|groups?"
    r"|requests?"
    r"|inquir(?:y|ies)|enquir(?:y|ies)|hits|suites?|doubles?|twins?|singles?|kings?|apartments?|employees|staff"
    r"|tables?|seats?"
    r"|cars?|metres?|meters?|km|kilomet(?:er|re)s?|miles?|sqm|square|m2|platforms|channels|sites|colleagues?"
    r"|percentage|"
    r"steps?|words?|characters?|lines?|options?|conditions?|things?|reasons?|rounds?|bags?|breakfasts|calls?"
    r"|emails?|left\b(?! with)"
    r"|empty|vacan(?:t|cies)|available|check-?ins?|arrivals?|departures?|flights?|degrees?|celsius|members?|tries"
    r"|chances?)\b"
)
COUNT_EN = re.compile(
    r"(?:[ -]|\s?\+\s?)(?:of (?:the |our |your |my |these |those )?)?(?:more |other |new |old |different |empty "
    r"|free |open |paid "
    r"|business |corporate |deluxe |standard |king |queen |twin |double |single |family |extra |separate |unsold "
    r"|sold |online "
    r"|confirmed |recent |happy |loyal |regular |possible |working |calendar |square |weekday |weekend |hotel "
    r"|guest |unique )?" + _COUNTED
)
COUNT_OF = re.compile(r" of (?:them|these|those|us|our|your|my)\b")
ROAD = re.compile(r" (?:[a-z]+ ){1,2}(?:road|street|rd|st|avenue|ave|lane|square)\b")
COUNT_ZH = re.compile(
    r"\s?(?:多|来|几|余)?(?:间(?!夜价)|晚|夜(?!价)|天(?!价)|个(?!点|百分点|折)|次|位|人(?!民币)|单(?!早|价|晚|间)"
    r"|条|家|台|张|份|遍|年|周(?![末中日一二三四五六内边])|月|分钟|小时"
    r"|钟头|秒|岁|米|公里|平(?:米|方)|㎡|星|名|套|句|倍|项|种|楼|层|号|日|房(?!费|价|租|型|间价)|室|成人|小孩|儿童"
    r"|床|票|笔|路|站|分(?!之)|点评|条评)"
)
COUNT_LEFT = _left(
    r"\b(?:searches|search count|views|clicks|visits|bookings|reservations|occupancy|searched by|viewed by"
    r"|visited by|age|aged)"
    r"(?: (?:is|are|was|were|of|at|reached|hit))?:?",
    r"(?:搜索量|搜索|浏览量|浏览|访问量|曝光量?|点击量?|人数|次数|订单量?|单量|间夜量|入住率|人气|热度|库存|余房"
    r"|剩余|还剩|剩下?|满)(?:是|有|达|达到|为|约|大概|了|就)?:?",
)
# the distance between two prices is no price
GAP_LEFT = _left(
    r"\b(?:gap|difference|spread)(?: (?:is|of|was|now|only|just|about|around))*:?",
    r"(?:差价|价差|差距|差额|只差|就差|相差|还差|差)(?:是|了|就|只有|大概|有|也就)*",
)
GAP_RIGHT = _right(
    r"(?:of )?(?:a )?(?:gap|difference|apart|between (?:us|them|the two))\b", r"的?(?:差价|差距|价差|差额)"
)
PHONE_LEFT = _left(
    r"\b(?:call|dial|phone|tel|wechat|qq)(?: (?:me|us))?(?: (?:at|on|is))?:?",
    r"(?:打|拨|加)(?:电话|微信|qq)?",
)
PAST_YEAR = re.compile(r"年")
NAME_LEFT = re.compile(
    r"(?:Hotel|Inn|Motel|Hostel|Super|House|Club|Park|Pod|Studio|Level|Area|Platform|Channel)\s$"
)

# --- percent and discount words ------------------------------------------------------------------------------
PERCENT = re.compile(
    r"\s?(?:%|percent\b|per cent\b|pct\b|percentage points?\b|个百分点|个点(?!钟)|个percent)"
)
PERCENT_ZH_LEFT = re.compile(r"百分之\s?$")
COMMISSION = re.compile(
    r"commission|service charge|service fee|your fee|platform fee|\bfees?\b|\btax|\bvat\b|occupan|margin|cancel"
    r"|deposit"
    r"|佣金|返佣|抽成|抽佣|提成|扣点|手续费|服务费|税|入住率|出租率|利润|毛利|定金|押金|取消|概率|好评率|转化"
)
_MAYBE = (
    r"(?: (?:another|a further|an extra|an additional|about|around|maybe|say|only|just|roughly|approximately"
    r"|perhaps|like|"
    r"up to|at most|at least|no more than|not more than|a maximum of|maximum|max|a minimum of|exactly|some|even"
    r"|almost|nearly))*"
)
_CUT = (
    r"(?:take|taking|knock(?:ing)?|shav(?:e|ing)|cut(?:ting)?|drop(?:ping|ped)?|lower(?:ing|ed)?|reduc(?:e|ing|ed)"
    r"|trim(?:ming)?"
    r"|slice|come down|came down|coming down|go down|going down|went down|bring (?:it|that|this) down"
    r"|deduct(?:ing)?|subtract"
    r"|decrease|discount|slash|chop|dropped|move down|step down|give (?:you|them|guests))"
)
_RISE = (
    r"(?:rais(?:e|ing|ed)|increas(?:e|ing|ed)|add(?:ing|ed)?|bump(?:ing)?|go up|going up|went up|put up|move up"
    r"|come up|push up|up)"
)
_OBJ = (
    r"(?: (?:it|that|this|the price|the rate|my price|our price|my rate|our rate|your price|your rate"
    r"|the nightly rate|them|you|me"
    r"|the room|the room rate|prices|rates|a bit|by))*"
)
DOWN_LEFT = _left(
    rf"\b{_CUT}{_OBJ}(?: down)?(?: off)?(?: by)?{_MAYBE}",
    r"\b(?:minus|less|save|saves|saving|down|discount of|reduction of|cut of|drop of|step of|rebate of"
    rf"|price cut of)(?: by)?{_MAYBE}",
    r"(?:便宜|(?<![至最不很多])少(?!于)|降|减|优惠|让利|让|下调|砍|降低|立减|直降|打掉|抹掉|去掉|扣掉"
    r"|(?<![最不])低(?!于)|省|下浮|返)"
    r"(?:个|了|给|您|你|他|掉|点|价|下来|一下|去|出|收|算|我|们|客人|大概|差不多|最多|至多|顶多|至少|起码|不超过"
    r"|上|差|也就|就|能|只能|:){0,4}",
)
# masked words such as 一点 leave filler between the verb and the figure
UP_LEFT = _left(
    rf"\b{_RISE}{_OBJ}(?: by)?{_MAYBE}",
    rf"\b(?:plus|increase of|surcharge of|extra)(?: of)?{_MAYBE}",
    r"(?:(?<!参)(?<!更)加|涨|上调|提高|上浮|贵|(?<!最)(?<!不)(?<!顶)(?<!至)(?<!差不)(?<!很)(?<!提)多"
    r"|(?<!最)(?<!不)高(?!于))"
    r"(?:个|了|给|您|你|价|我|们|到不了|收|付|出|大概|差不多|最多|至多|顶多|至少|起码|不超过|也就|就|能|只能){0,3}",
)
DOWN_RIGHT = _right(
    r"off\b(?![ -](?:season|peak|days?\b))|(?:less|lower|cheaper|down|below|under)\b(?! from| to| for| payment"
    r"|\s*[0-9])|(?:as a |in )?(?:discount|reduction|rebate)\b"
    r"|knocked off|price cut",
    r"的?(?:优惠|折扣|让利|让价|降幅|空间|便宜)",
)
UP_RIGHT = _right(
    r"(?:more|extra|higher|dearer|above|over|up|increase|surcharge)\b(?! from| to)|on top\b|mark-?up\b|more expensive\b",
    r"的?(?:涨幅|加价)",
)
OF_PRICE = re.compile(
    r"\s?of (?:the |that |your |our |my |current |full |list |rack |listed |normal |usual )*(?:price|rate)"
)
CHENG = re.compile(r"成(?!交|本|为|功|都|人|了)")
ZHE = re.compile(r"个?折(?!腾|磨|返|线)")
SHARE_LEFT = _left(r"(?:按|卖|给|打|收|定|以|照)(?:你|您)?(?:价格|原价|现价)?的?")

# --- bounds --------------------------------------------------------------------------------------------------
GE_LEFT = _left(
    r"(?:\bno|\bnot|n't|\bnever|\bnothing|\bnone|cannot|\bwithout|\brefuse|\bunable|\bimpossible"
    r"|\bhardly)\b[^.;!?,]{0,24}?"
    r"\b(?:lower|less|below|under|cheaper|beneath|underneath)(?: than)?(?: about| around)?",
    r"\b(?:at least|minimum|min|at minimum)(?: of| is| would be| price)?:?",
    r"\b(?:lowest|floor|bottom line|bottom|rock bottom|lower limit|minimum price"
    r"|minimum rate)\b[^.;,!?0-9]{0,26}?\b(?:is|be|'s|at|of|as|stays|to)",
    r"\b(?:lowest|floor|bottom line|rock bottom|bottom|no cheaper than|upwards of|as low as|starts? (?:at|from)"
    r"|starting (?:at|from)|anything from|limit is):?|^\s*from",
    r"(?:不|别|没法|甭|休想|没办法|不能再|难)[^,;!?。、0-9]{0,4}(?:低于|少于|小于|低过|便宜过|低到)[^,;!?。0-9]{0,2}",
    r"(?:至少|最少|最低|起码|最便宜|底线|保底|低不过|低线|最底)(?:也|要|是|得|给|卖|收|价|价格|了|只能|能|到|做到"
    r"|可以|就|我们|我|您|你|得要|的|了|在|:|,)*",
)
LE_LEFT = _left(
    r"(?:\bno|\bnot|n't|\bnever|\bnothing|cannot)\b[^.;!?,]{0,20}?\b(?:more|over|above|beyond|past|higher"
    r"|exceed)(?: than)?",
    r"\b(?:up to|at most|maximum|max|within|capped at|cap of|a ceiling of|ceiling is|ceiling of|upper limit is"
    r"|highest is|tops|most i can pay is|not exceeding)(?: of| is)?:?",
    r"(?:不|别|没)(?:能|要|会|可以|得)?(?:超过|高于|大于|多于|超|过)(?:了)?",
    r"(?:最高|最多|至多|顶多|上限|封顶|不超)(?:也|要|是|得|给|卖|收|价|价格|了|只能|能|到|出|可以|就|我们|我|付|:)*",
)
LT_LEFT = _left(
    r"\b(?:under|below|less than|lower than|cheaper than|beneath|south of|short of)|\bsub-?",
    r"(?:低于|少于|小于|不到|不足|没到|不满|便宜过|比)(?<!比)",
)
GT_LEFT = _left(
    r"\b(?:more than|over|above|exceeding|exceeds?|north of|higher than|greater than)",
    r"(?:超过|高于|大于|多于|不止)",
)
GE_RIGHT = _right(
    r"(?:or|and) (?:more|up|above|over|higher|better|upwards?)\b|(?:as (?:a |the |my |our )?)?(?:bare )?(?:minimum"
    r"|min)\b|at (?:the )?(?:very )?(?:least|lowest|minimum|min)\b"
    r"|(?:is|'s|would be) (?:really |already )?(?:the |my |our )?(?:absolute )?(?:very )?(?:lowest|minimum|floor"
    r"|limit|bottom line|bottom|least)\b|\+(?!\s?[0-9])"
    r"|(?:is )?as low as (?:i|we) (?:can )?go|upwards?\b",
    r"(?:及|或)?(?:以上|往上|朝上|打底|起步|起(?!码|来|初|到)|开外|向上)|(?:是|就是)?(?:最低|底线|底了|最低了"
    r"|最低价)",
)
LE_RIGHT = _right(
    r"(?:or|and) (?:less|lower|under|below|cheaper|beneath)\b|tops?\b|max(?:imum)?\b|at (?:the )?(?:very )?(?:most"
    r"|max)\b"
    r"|(?:is|'s) (?:the |my |our )?(?:absolute )?(?:maximum|max|most|ceiling|cap)\b",
    r"(?:及|或)?(?:以内|之内|以下|往下|封顶|内(?!部))|(?:是|就是)?(?:最高|上限)",
)
LT_RIGHT = _right(r"(?:都|还)?(?:不到|没到|不足|不满)")
# "anything under 350 is impossible", 低于三百五免谈: a floor said the other way round
NO_DEAL_RIGHT = re.compile(
    r"[^.;!?。；！？0-9]{0,14}?(?:impossible|not possible|out of the question|no way|won't|doesn't|no deal"
    r"|no chance|forget it|can't|cannot|not going|"
    r"a no\b|loses? money|makes no|i'd lose|we'd lose|don't bother|no go|is no\b|not worth|unacceptable|不|免谈"
    r"|没门|没法|别谈|亏|没戏|算了|没得|甭)"
)
DELTA_MOST = re.compile(
    r"(?:up to|at most|no more than|not more than|maximum|max|a maximum of|only|最多|至多|顶多|不超过|最大)(?!.*[0-9])"
)
DELTA_LEAST = re.compile(r"(?:at least|a minimum of|no less than|至少|起码|最少|不少于)(?!.*[0-9])")

# --- net -----------------------------------------------------------------------------------------------------
NET_LEFT = _left(
    r"(?<!inter)\bnet\b[^.;!?0-9]{0,36}?",
    r"\b(?:after|minus|without|excluding|less) (?:the |your |all )?(?:commission|cut|fees?)\b[^.;!?0-9]{0,24}?",
    r"\b(?:pocket|receive|keep|clear|take home|take-home|left with|in hand)(?: is| of| at)?",
    r"(?:底价|净价|净收|净拿|结算价|结算|到手价?|实收|净得|拿到手|净到手|进账|落袋)[^,;!?。0-9]{0,10}?",
    r"(?:扣完|扣掉|扣除|去掉|除去|除掉|刨去|刨掉|扣了)(?:你们的?|平台的?)?(?:佣金|抽成|手续费|返佣)(?:后|之后"
    r"|以后)?[,]?[^,;!?。0-9]{0,8}?",
)
NET_RIGHT = _right(
    r",? ?net\b(?!:?\s*(?:(?:is|of|rate|price) )?[0-9$¥])|(?:\w+ ){0,3}?after (?:\w+ "
    r"|[0-9]+% ?){0,3}?(?:commission|cut|fees?)\b|(?:in|into) (?:my|our) (?:pocket|hand|account)|take[ -]home"
    r"|clear\b(?! of)",
    r"(?:是)?(?:净|净价|净收|净到手|到手|底价|结算价?|实收|落袋|进账)",
)
SELL = re.compile(r"sell|gross|list|rack|卖价|售价|挂牌|挂价|挂")

# --- approximate ---------------------------------------------------------------------------------------------
APPROX_LEFT = _left(
    r"(?<!how )(?<!what )\babout",
    r"\b(?:around|roughly|approximately|approx\.?|circa|ca\.|nearly|almost|close to|close on|near|nearer|some"
    r"|somewhere (?:near|around|about|like|close to)"
    r"|in the (?:region|neighbou?rhood|ballpark|area|range) of|ballpark(?: of)?|something like|more or less"
    r"|or thereabouts|say about|like maybe)|[~≈]",
    r"(?:差不多|大概|大约|约|约莫|大致|将近|(?<!最)(?<!附)近|(?<!尽)快(?:到|要)?|接近|估摸着?|靠近|小|估计"
    r"|大概其)(?:是|要|在|也|就|能|给|卖|得|做到)*",
)
APPROX_RIGHT = re.compile(
    r"\s?(?:-? ?ish\b|or so\b|or thereabouts|give or take|more or less|approximately|approx\b|roughly|thereabouts"
    r"|(?:块钱|块|元)?(?:左右|上下|的样子|光景|前后|这样子?))"
)
ODD_RIGHT = re.compile(
    r"(?:\s?-?\s?odd\b| and change\b|\s?-?\s?(?:and )?something\b| plus change\b|(?:块|元)?几(?![天次个间晚年月位人])|多(?!少|便宜|个|次))"
)
OVER_RIGHT = re.compile(r"\s?(?:块|元)?(?:出头|挂零|露头|冒头|刚过|多一点|多点)")
LATE_RIGHT = re.compile(r"(?:大几|好几)十?")
LAI_RIGHT = re.compile(r"(?:来|把)(?=块|元|$|[^年回])")
JUST_OVER_LEFT = _left(
    r"\b(?:just|slightly|a (?:bit|little|touch|shade|hair)|a tad|marginally|barely) (?:over|above|more than|north of|past)",
    r"(?:刚过|刚刚?超过|略高于|稍微超过)",
)
JUST_UNDER_LEFT = _left(
    r"\b(?:just|slightly|a (?:bit|little|touch|shade|hair)|a tad|marginally) (?:under|below|less than|short of|shy of)",
    r"(?:略低于|稍低于|差一点到)",
)
PART_LEFT = re.compile(r"\b(low|lower|mid|middle|high|higher|upper|early|late)[ -](?:the )?\s?$")

# --- price words that let a small figure stand as a price --------------------------------------------------------
PRICE_LEFT = _left(
    r"\b(?:do|make it|at|for|accept|say|offer|offering|pay|price(?: is| of)?|rate(?: is| of)?|costs?|charge|sell"
    r"|sells|want|give|take|how about|what about|asking|to|is|was|of)",
    r"(?:价|价格|卖|就|给|按|要|到|只要|定|收|付|出|做|一口价|房费|房价|算|降到)",
)
TO_LEFT = re.compile(r"(?:\bto|\binto|到|至|成|为)\s*$")
MINE_LEFT = re.compile(r"百|千|万")
WEEKDAY_RIGHT = re.compile(
    r"[^0-9.;!?。；]{0,14}?(?:weekdays?\b|midweek\b|week ?nights?\b|sunday to thursday|sun-thu|mon(?:day)?(?: to |-)(?:thu|fri)|平日|平时|周中|工作日|非周末)"
)
WEEKEND_RIGHT = re.compile(
    r"[^0-9.;!?。；]{0,14}?(?:weekends?\b|fri(?:day)? and sat|friday|saturday|周末|节假日)"
)
WEEKDAY_LEFT = _left(
    r"(?:weekdays?|midweek|week ?nights?)(?: (?:at|is|are|for|it's))?:?",
    r"(?:平日|平时|周中|工作日|非周末)(?:价|卖|是|要|就|给|\x00)*",
)
WEEKEND_LEFT = _left(
    r"(?:weekends?|saturdays?|fridays?)(?: (?:at|is|are|for|it's))?:?",
    r"(?:周末|节假日|假日)(?:价|卖|是|要|就|给|\x00)*",
)
