"""Words by which an agent takes, closes, leaves, presses or carries out, in English and Chinese."""

from __future__ import annotations

from repo_cli.rewards.rule_cues import Cue

#: Words with which an agent takes a price or records it.
TAKES = Cue(
    r"(?i)\b(?:agree[ds]?|accept(?:ed|s)?|deal|done|confirm(?:ed|ing|s)?|record(?:ed|ing)?|not(?:ed|"
    r"e (?:it|that|down))|submit|book(?:ed)? in|put (?:it |that )?(?:down|in|through)|works (?:for|well|"
    r"with)|(?:that|it|\d+(?: \w+)?) works|we (?:can |will |'ll )?(?:do|take) (?:it|that|\d+)|tak(?:e|"
    r"ing) (?:it|that|your|the|\d+)|go(?:ing)?(?: ahead)? with|settled?|fine (?:for|with|by)|happy (?:with|"
    r"to)|good for us|that is (?:fine|good|great)|so (?:it is|we have))\b|接受|成交|同意|确认|记录|记下|"
    r"登记|提交|就按|按您说的|没问题|就这么定|定在|就定|那就|说定|收到"
)
CLOSES = Cue(
    r"(?i)\b(?:thank(?:s| you)|leave (?:it|this|things) (?:here|there|at that|as)|no further|not (?:write|"
    r"message|contact|bother|disturb|trouble|ask)|won't (?:write|message|contact|bother|disturb|trouble|"
    r"ask)|stop here|clos(?:e|ing) (?:this|here|the)|nothing changes|no more (?:messages?|asks?)|"
    r"hear no more|stays? (?:as (?:it is|is)|the same|unchanged|at \d+)|unchanged|wish(?:ing)? you|goodbye|"
    r"good (?:day|season|evening)|all the best|take care|have a (?:good|nice|great))\b|感谢|谢谢|不打扰|"
    r"不再[^，。]{0,3}(?:打扰|联系|发|提|问)|先这样|到这里|到此|祝|保持不变|维持(?:原价|现价)|一切照旧|"
    r"不变|再见"
)
#: Words with which an agent takes its leave: fewer than `CLOSES`, since thanks and "nothing changes" also go on.
PARTS = Cue(
    r"(?i)\b(?:wish(?:ing)? you|goodbye|good (?:day|season|evening)|all the best|take care|have a (?:good|nice"
    r"|great)|"
    r"thank(?:s| you) for (?:your time|talking)|leave (?:it|this|things) (?:here|there|at that)|stop here|"
    r"clos(?:e|ing) (?:this|here))\b|祝|再见|不打扰|先这样|到这里|到此"
)
#: Words that put the talk off to another time.
POSTPONES = Cue(
    r"(?i)\b(?:I(?:'ll| will| shall| can)|let me|we(?:'ll| will| shall)) (?:(?:write|message|call|ring|get in touch"
    r"|check|reach out|try)(?: to)?(?: you)? (?:again|back|later|then)|come back(?: to)?|get back to|be back"
    r"|return to|follow up)\b"
    r"|(?:明天|今天|下午|上午|晚上|晚点|晚些|稍后|改天|过几天|下周|到时候?|回头|等会儿?|过会儿?|之后|那时).{0,8}?"
    r"(?:再(?:来)?|回来|给您)?(?:联系|打给|发给|找您|回复|沟通|跟进|聊|打电话|发消息|来)"
)
#: Words with which an agent takes a no for an answer, and ends the talk without a deal.
TURNS_DOWN = Cue(
    r"(?i)\b(?:(?:take|respect|accept|understand) (?:your|that|the|it|this) (?:no|decision|answer)\b|"
    r"(?:price|rate|everything|it|that) (?:stays?|remains?) (?:as (?:it|they) (?:is|are)|unchanged|the same)|"
    r"leave (?:it|this|things) (?:here|there|at that|as)|no (?:more|further) (?:messages?|asks?|requests?)|"
    r"nothing changes on your (?:page|side)|(?:not|won't) (?:write|message|contact|bother|disturb|trouble) you)"
    r"|不打扰|不再(?:打扰|联系|发|提|问)|保持不变|维持(?:原价|现价|不变)|尊重您的(?:决定|选择)|先到这里"
)
#: Words that carry out a deal: what only follows an agreement.
CARRIES_OUT = Cue(
    r"(?i)\b(?:I|we)(?:'ll| will| shall| am going to| are going to)?(?: now| then)? (?:submit|record|enter|register|"
    r"put (?:it|that|this) (?:in|through))\b|\b(?:as agreed|(?:it|this|that) is (?:recorded|submitted|agreed)|"
    r"when it is live|submitted now)\b|(?:我|我们)(?:这就|马上|现在|会|就){0,2}(?:帮您|为您|给您)?"
    r"(?:提交|录入)|已(?:提交|录入)|按约定|按说好的"
    r"|(?i:\b(?:I|we)(?:'ve| have)? (?:now |just |already )?(?:recorded|registered|submitted|filed|logged"
    r"|booked)\b(?! that\b)|"
    r"\b(?:I'm|I am|we're|we are|I'll|I will|let me) (?:now )?(?:putting|put|entering|booking|book|filing|file"
    r"|sending|send|logging|log|"
    r"recording|registering|submitting) (?:it|this|that|\d+|the (?:new )?(?:rate|price))\b|\b(?:I|we)(?:'ve"
    r"| have) (?:now |just )?(?:put|sent|passed|entered) (?:it|\d+)\b|\b\d{2,} is in\b|\b(?:it's|that's|that is"
    r"|it is|we have|we've got) "
    r"(?:a deal|settled|agreed|an agreement|done)\b|\b\d{2,}(?: \w+){0,3} (?:is|has been) (?:settled|noted"
    r"|agreed|recorded|registered|"
    r"confirmed)\b|\b\d{2,} (?:confirmed|agreed|noted)\b|\b(?:thanks|thank you) for (?:agreeing|accepting"
    r"|confirming)\b|"
    r"\bwe (?:agreed|have agreed|settled) (?:on|to|at)\b|\bI(?:'ll| will) (?:register|record|note|file"
    r"|enter) (?:it|this|\d+)\b)"
    r"|(?i:\b(?:we're|we are) (?:all )?(?:agreed|settled|set)\b|\bgoes? (?:on|into|in) (?:file|the file|"
    r"record|the books|the system)\b"
    r"|\btake (?:that|it|this) (?:as|for) (?:an? )?(?:yes|agreed|agreement|your (?:consent|yes|answer|ok))|"
    r"\b(?:since|as|now that) you(?:'ve)? (?:said yes|agreed|accepted|confirmed)"
    r"|\ball set\b|\b(?:go|going) ahead with (?:it|that|this|\d|the (?:change|new|rate|price))|"
    r"\bconsider (?:it|this|that) (?:done|settled|agreed)"
    r"|\b(?:we have a|have our|noting (?:our|the|this)|recording (?:our|the)) deal\b|\bglad (?:we|"
    r"you) (?:have|made|agreed|could|came)|\b\d{2,} it is\b"
    r"|\b(?:processing|finali[sz]ing|locking in|lock in|entering|noting) (?:it|that|this|\d{2,})\b|"
    r"\bsending (?:over |you )?the (?:form|contract|confirmation|paperwork)"
    r"|\b(?:will|and|to) process \d|\bthank(?:s| you) for (?:saying yes|your (?:yes|agreement|consent|approval)))"
    r"|[算当](?:是)?[您你](?:已经?)?(?:同意|答应|认可|点头|接受)|(?:感谢|谢谢|多谢)您?(?:的)?(?:同意|答应|"
    r"接受|认可)|既然您(?:都|已经)?(?:点头|答应|说行|没意见|同意)"
    r"|(?:都|全|已经?)(?:办妥|办好|搞定|安排好)了?|这么(?:定|说定)了?|合作愉快|(?:单子|合同|协议|申请|"
    r"表格?)我?(?:已经?|都|就)?(?:发|交|填|报|提)(?:出去|上去|好|了)"
    r"|按\d+[^，。？！；]{0,4}(?:走|办|执行|提交|登记|录|定了|往下)|(?:我|我们)(?:刚刚?|已经?)(?:给您|"
    r"帮您)?(?:报|交|提|录|登)(?:了|上|好)|\d+(?:元|块)?[，,]?我?(?:来)?(?:录|登|报)(?:一下|上|好)"
    r"|走\d*的?流程|\d+[^，。？！；]{0,4}(?:成了|定下|敲定|说好了)"
    r"|(?i:\b(?:done|it's a|that's a) deal\b)|成交|(?:已经|给您|帮您|这就|马上"
    r"|现在就)[^，。？！；]{0,6}(?:登记|录[入进]|安排上|上报|报上去|走流程"
    r"|提交)|(?:我|我们)去报|我(?:这就|现在|马上)?(?:来)?记录(?:下)?\d|现在提交|"
    r"(?:\d+|[百十][一二三四五六七八九]?)[^，。？！；]{0,4}(?:就?定了|说定|记下了|成交|确认，|登记)|(?:咱们?"
    r"|我们)?说(?:好|定)了|谢谢您(?:的)?(?:同意|答应|接受)"
)
#: Words that ask for less than what stands.
LOWER = Cue(
    r"(?i)\b(?:(?:a (?:bit|little|touch)|any|even|still|slightly|go|some) (?:lower|less|cheaper)|(?:come|"
    r"go) down|bring (?:it )?down|(?:could|can|would|will) you (?:please )?(?:reduce|drop|lower)|"
    r"one more step)\b|再(?:低|降|便宜|少|让)|便宜(?:点|些)|低(?:一)?点|降(?:一)?点|让(?:一)?点"
)
WISHES = Cue(
    r"(?i)[?？]|\b(?:maybe|perhaps|I'd (?:still )?(?:like|love)|hope|please|let's|try)\b|希望|试试|还是想|争取|吧"
)
#: Words that press for a lower price without a figure.
PRESSES = Cue(
    r"(?i)\b(?:(?:small|little|tiny|slight|modest|any) (?:discount|reduction|cut|concession)\b[^.!]{0,20}(?:\?"
    r"|at least|maybe)|"
    r"(?:at least|do) (?:\w+ )?something\b|how low\b|"
    r"(?:a (?:little|bit|touch|few yuan)|something|anything) off\b|room (?:on|in|for) (?:the |your )?(?:price"
    r"|rate|movement)|"
    r"(?:reconsider|rethink|think (?:again|twice) about|be (?:more )?flexible|budge|meet (?:me|us"
    r"|in the middle)|split the difference|"
    r"one last (?:time|try|offer)|change your mind|think it over|(?:any|no|some|another) (?:\w+ )?way (?:to"
    r"|of) (?:lower|reduc|go|com|drop)\w*|(?:what|which|how much)(?: \w+)? (?:price|rate|figure|amount"
    r"|discount) (?:would|could|can|do|will))\b(?![^.?!]{0,30}\bif you\b))"
    r"|(?i:\b(?:half ?way|meet in the middle|(?:one|a) (?:last|final) (?:try|time|question|attempt|go)|"
    r"(?:even|just|only) (?:an? |\d+ |five |ten "
    r"|twenty |one )(?:\w+ )?(?:off|less|lower|would help)|how (?:low|far) (?:could|can|would|will)|"
    r"surely (?:an?|some|you)\b|is there (?:\w+ )?(?:any|no|some) "
    r"(?:\w+ )?(?:figure|price|rate|number|amount|discount|room|way|chance|flexibility|leeway)|"
    r"any (?:chance|figure|price|rate) (?:of|that|you|at)"
    r"|please (?:think|consider|reconsider) (?:about )?(?:it|the|this|that|\d|a |once|again|over)|"
    r"would you (?:do|take|accept|consider|agree)|"
    r"could you (?:at least|still|not)|(?:just|only) (?:for )?"
    r"(?:one|the first|the second) night)\b)"
    r"|(?:余地|空间|弹性)(?:都|也)?(?:没有)?(?:吗|呢|了吗)|(?:便宜|少|让|降|优惠)[^，。？！；]{0,4}(?:块|元|"
    r"\d)[^，。？！；]{0,3}(?:也行|也好|行吗|可以|呢|吧)"
    r"|(?:稍微|稍稍|哪怕)[^，。？！；]{0,6}(?:优惠|便宜|降|让|少|低)|多少(?:能|再)?(?:便宜|优惠|降|让)(?:点|些)|(?:只|就|哪怕)(?:调|降|改|"
    r"动)?[^，。？！；]{0,8}(?:一天|一晚|那晚|\d日)[^，。？！；]{0,4}"
    r"(?:呢|可以|行|吗)|有(?:没有)?(?:哪个|什么|个)价|最后(?:再)?(?:问|说)一(?:次|句|遍)|(?:各|都)(?:让|退)(?:一)?步"
    r"|再(?:考虑|想想|商量|看看|通融|给[点些])|(?:您)?(?:最低|多少)(?:能|可以|才)(?:做|行|接受|给|到)|(?:真的?"
    r"|实在)(?:一点|半点)?(?:都|也)?不能(?:降|让|少|便宜)|(?:便宜|优惠|让|降|低|少)(?:一)?(?:点|些|丁点)(?:点"
    r"|儿)?(?:呢|吧|吗|也行|也好|行)|"
    r"(?:还|总)(?:能|有|可以)[^，。？！]{0,4}(?:降|低|余地|空间|让|优惠)|各让一步|各退一步|折中|松松口|给个面子|通融"
)
