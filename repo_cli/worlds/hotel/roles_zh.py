"""Chinese cues that give a price its role; tested on the stretch of the clause that the price stands in.

"Own" is the text from the price before it (or the start of the sentence) up to the price, "after" the
rest of the clause.
"""

from __future__ import annotations

from repo_cli.worlds.hotel import understand_zh

ROLE_COMPETITOR = (
    r"平台[A-Za-z]|别的平台|其他平台|另一个|另外(?:的|一家|有)?(?:平台|渠道)|别家|同行|隔壁|周边|附近|市场"
    r"|渠道"
)
ROLE_CURRENT = (
    r"(?:现在|目前|现价|当前|眼下|原价|原来|卖价|挂牌价|标价|挂(?:的|着)?|您(?:的|家|这边|这里)?(?:价格"
    r"|房价|房)?(?:是|卖|标|挂|显示)|我们(?:页面|这边|平台)?(?:显示|标|挂)|本平台(?:显示)?|从|由|跟|和|比"
    r"|较|维持|保持|页面(?:上)?(?:是|显示)?|门市|照旧)(?:是|的|为|在|价|：|:|，|房价|还是|每晚|\s)*$"
)
ROLE_CURRENT_AFTER = r"^(?:元|块|块钱)?(?:一晚|每晚)?(?:降到|调到|调整到|改到|降至|调至|的?现价|减)"
ROLE_ASK = (
    r"能不能|能否|可不可以|可否|是否|行吗|行不行|行不|可以吗|可以不|可行吗|好吗|如何|怎么样|您看|想(?:谈"
    r"|跟|请|问|争取)|希望|建议|提议|考虑|商量|调(?:到|成|至|整)|降(?:到|成|至)?|改(?:到|成)|下调|做到"
    r"|争取|试(?:试|一下|行)?|定(?:在|到|成)|能(?:到|做|给)|放到|让到|谈到|方便|愿意|合适吗|成吗|请"
)
ROLE_RECAP = understand_zh.CUES["recap"]
ROLE_ACCEPT = (
    r"接受|同意|没问题|成交|就按|那就|一言为定|说定|可以(?!吗|不|考虑|调|降|试|改|谈|商)|行(?!吗|不|情)"
    r"|好的?[，,]|合适(?!吗)|按"
)
ROLE_DIFFERENCE = r"差(?:距|价|了|额)?|相差|高出|低(?:了|出)|贵(?:了|出)|便宜(?:了)|多(?:了|出)"
COUNTED = r"^\W*(?:次|间|个|人|位|单|晚|分钟|小时|天|点|星|家|%|条|步|秒|号|日|月)"

ROLE_CURRENT_STRONG = (
    r"(?:从|由|现价|原价|原来|目前|现在|当前|维持|保持|照旧)(?:的|是|为|在|价格?|房价|卖价|：|:|您|每晚"
    r"|还是|\s)*$"
)
ROLE_COMPETITOR_AFTER = r"^(?:元|块)?(?:在|是)(?:平台[a-z]|别的平台|其他平台|别家)"
ROLE_DECLINE = r"(?:没法|(?<!能)不能|做不到|接受不了|达不到)[^，。]{0,4}$"
