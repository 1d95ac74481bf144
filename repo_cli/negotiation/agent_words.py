"""How the agent's own moves are worded: asking for a price, confirming, closing, checking facts, giving reasons.

Written for language in general, not for one policy's phrases: a trained policy words things as it likes.
"""

from __future__ import annotations

import re

from .bilingual import Bilingual

# One sentence: up to . ! ? ; or a Chinese stop; a decimal point does not end it.
SENTENCE = re.compile(r"[^.!?;。！？；\n]+(?:\.(?=[0-9])[^.!?;。！？；\n]+)*[.!?;。！？；\n]*")

# --- asking for a lower price ---------------------------------------------------------------------------------
# a form that requests; it asks for a price only together with a figure or a word of lowering
REQUEST = Bilingual(
    r"\b(?:could|can|would|will|might|may|shall|should) (?:you|we|i ask|i suggest|i propose|the hotel"
    r"|your (?:hotel|side|team)|it|that|this|there|a |an |the (?:rate|price|nightly)|[0-9]|\w+[ -]?(?:fifty"
    r"|hundred|sixty|forty|thirty|twenty|seventy|eighty|ninety))"
    r"|\b(?:how|what) about\b|\bany (?:chance|room|flexibility|possibility|scope|way|leeway|wiggle)|\b(?:is|are"
    r"|would|be) (?:it|there|that|this|you|[0-9]+)[^.!?;]{0,60}?\b(?:possible|something you|live with|manageable"
    r"|doable|fair|open to|willing|able|room|acceptable|comfortable|feasible|any way|workable|ok|okay)\b"
    r"|\b(?:i|we)(?:'d| would|'ll| will|'m| am|'re| are)? (?:like|love|want|hope|hoping|ask|asking|suggest|propose"
    r"|proposing|suggesting|looking|wish|appreciate|request|be grateful|need|aim|aiming)\b|\b(?:my"
    r"|our) (?:proposal|suggestion|ask|request|offer|idea|target)\b"
    r"|\blet'?s (?:say|do|try|go|make|settle|set|agree)|\bplease (?:lower|reduce|drop|consider|cut|come|offer|give"
    r"|do|make|go|set|bring|adjust)|\bdo(?:es)? (?:[0-9]+|that|this)[^.!?;]{0,20}\b(?:work|sound|suit|feel|seem"
    r"|fit)|\bwhy not\b|\bwhat if (?:we|you|it)|\bif you (?:could|can) (?:do|go|come|manage|lower|bring|make)"
    r"|\bmeet (?:me|us) (?:at|in)\b|\bconsider\b|\bcome (?:down|closer)\b|\bthink (?:about|over)\b|\bopen to\b"
    r"|能不能|可不可以|可以(?:吗|么|不)|行(?:吗|么|不行|不)|好(?:吗|么|不好)|怎么样|怎样|如何|咋样|您看|你看|是否"
    r"|能否|可否|考虑|方便(?:的话)?|希望|想(?:跟|和|请|向|问|麻烦)(?:您|你)|建议|麻烦(?:您|你)|愿(?:不愿)?意|要不"
    r"|合适(?:吗|么)|会不会(?:好|更|合适|容易|方便)|成(?:吗|不成|么)|有没有(?:可能|空间|机会|办法)|申请|恳请"
    r"|拜托|争取|商量|(?:能|可以)(?:做|给"
    r"|调|降|让|按|到|便宜|少|优惠|打)[^。！？?]{0,16}(?:吗|么|不|[?？])|觉得(?:呢|怎么样|如何)|接受(?:吗|么)|试试"
    r"|请(?:您|你)?(?:把|调|降|给|考虑)|(?:一|点|下|些|元|块)吧"
)
LOWER = Bilingual(
    r"\b(?:lower(?:ing)?|reduc(?:e|ing|tion)|cheaper|com(?:e|ing) down|bring(?:ing)? (?:it|the (?:price|rate)|that"
    r"|this)? ?down|discount(?:ed|ing)?|better (?:price|rate|figure)|smaller (?:price|rate)|go(?:ing)? (?:down"
    r"|lower)|mov(?:e|ing) down|drop(?:ping)?|trim|shave|cut(?:ting)? (?:the|your|it|a|down)|less\b(?! (?:than"
    r"|commission|time))|knock|take (?:\w+ )?off|reconsider the (?:price|rate)|adjust(?:ing|ment)?(?: (?:the|your"
    r"|that|this|a|in the|of the))? ?(?:\w+ )?(?:price|rate)|special rate|bit (?:off|more room)|concession"
    r"|match (?:that|it|this|the|platform)|price cut|meet (?:that|us|me))\b"
    r"|(?<!不)降(?!温|临|低了?(?:服务|标准))|便宜(?=一?[点些]|个|下|多少|吗|呢|[,，。?？]|$)|(?:再|更|稍微|往)低"
    r"|低(?:一)?(?:点|些)|优惠(?=一?[点些]|个|下|价|吗|力度|多少|[,，。?？]|$)|(?:调|改)(?:到|成|低|至|下来|一下"
    r"|整|个价)|让(?:一?[点些步]|利|个价)|下调|打(?:个)?[0-9一二三四五六七八九.]*折|少(?:一)?(?:点|些)(?!人)"
    r"|(?:持平|对齐|看齐)"
)
NOT_ASKING = Bilingual(
    r"\b(?:won't|will not|not going to|no longer|not|never|n't|without) (?:\w+ ){0,2}(?:ask|press|push|request"
    r"|propose|suggest|expect|lower|change|need|discount)|\bno (?:pressure|need to)|\bdon't have to|\bhow did"
    r"|\bif you(?:'d| would) rather not|\bnothing (?:more )?to ask|不(?:会|再|用|需要|是|要求|必"
    r"|勉强)[^,，。]{0,4}(?:问|提|降|调|让|请|改|找|变)|没关系|不勉强|谁能(?:定|做主)|不打扰"
)
#: "is 388 still right", "平台B显示": the figure is checked or sourced, not asked for
FACTUAL = Bilingual(
    r"\bplatform [a-z]\b|\b(?:with|against) us\b|\bagainst [0-9]|\b(?:right|correct|still|accurate|currently"
    r"|current|as listed|listed|is that so|up to date|shows?|showing|displayed|now at|at the moment|seeing|sells?"
    r"|selling|charg|net|sell price|include[sd]?|breakfast included|what you see)\b|对吗|对吧|是吗|没错|是不是"
    r"|目前|现在(?:是|的)?|显示|挂牌|挂的|卖价是|渠道|平台[a-z]|卖(?=[0-9])|属实|净价|结算价|含.{0,4}早.{0,3}(?:吗"
    r"|对)"
)
#: "could you do the same here?": the figure asked for is the one just named, whoever shows it
SAME = Bilingual(
    r"\b(?:you|we|hotel|(?:possible|able|willing|open|ready) to) (?:also |perhaps |maybe |please |not )?(?:do|doing|offer|give"
    r"|manage|have|get|go|make) (?:us )?(?:the same(?: (?:price|rate|figure|here|for|with|on)\b|[,.?! ]*$)|likewise\b)|\bmatch (?:that|it|this|them|their)\b"
    r"|(?:能|可以)(?:不能)?(?:也)?(?:做到|给到|保持|做)?(?:一样|同样|一致|持平|看齐)|也(?:按|做|给)这个价"
    r"|(?:能|可以|要不|愿意)[^,，。?？]{0,8}(?:持平|看齐|跟上)"
)
WOULD_WORK = Bilingual(
    r"\b(?:would|could|might|does|do|will|can) (?:that|this|it|such a \w+|the \w+|either)(?: \w+)? (?:work"
    r"|be (?:ok|okay|possible|acceptable|workable|fine|something|comfortable|all right|reasonable|fair|doable)"
    r"|suit|fit|sound|seem|help|feel|do\b)|\bis that (?:possible|something you|acceptable|workable|doable|ok|okay"
    r"|all right|a figure)|\bwhat do you (?:think|say)\b(?! (?:about|of|to) (?:that|this|the) (?:gap|difference"
    r"|comparison|search|numbers?))|\bhow does (?:that|this|it) (?:sound|look|seem)|\bwould you (?:accept|agree"
    r"|consider|be (?:ok|open|willing|happy|comfortable))|\bcan (?:you|we) (?:agree|settle|do (?:that|this|it))"
    r"|\bcould you (?:do|manage|accept|agree|consider|live with)(?: to)? (?:that|this|it)|\bdeal\?|\bok(?:ay)?\?"
    r"|(?:可以|行|好|成|合适|接受|方便)(?:吗|么|不[行成好可]?|呢)|怎么样|如何|咋样|您(?:看|觉得)(?:呢|行|可以|怎么"
    r"|如何|合适)|能(?:接受|做|行|成)(?:吗|么|不)"
)
DECIDE = Bilingual(
    r"\b(?:who(?:m|'s)? (?:else |then |there )?(?:decides?|is|should|can|could|handles?|sets?|would|makes?|do i"
    r"|may|takes)|whom|when (?:can|could|should|would|will|may|is|shall|suits|works|do|might|are)|what time"
    r"|which day|best time|good time|better time|a time|the right person|someone)\b|谁|什么时候|什么时间|几点|何时"
    r"|哪天|哪位|方便的时间"
)

# --- the other moves ---------------------------------------------------------------------------------------------
CONFIRM = Bilingual(
    r"\b(?:to confirm|confirm(?:ing|ation)?|recap(?:ping)?|to sum up|summary|to be (?:sure|clear)|just to be sure"
    r"|to repeat|let me repeat|so that(?:'s| is)|so it(?:'s| is)|so we (?:have|are)|record(?:ed|ing)?"
    r"|note(?:d)? (?:down|it|that|[0-9])|noting|i(?:'ll| will| have|'ve) (?:note|put|record|submit|enter|log|set"
    r"|file)|submit(?:ted|ting)?|put (?:it|that|this|[0-9]+) (?:down|in|through)|shall i (?:submit|put|record"
    r"|enter|note|file|go ahead|set)|may i (?:submit|record|enter|note|put)|agreed|we agree|explicit yes"
    r"|a (?:clear|plain|simple) yes|say yes|your yes|reply yes|write it down|lock(?:ed)? in|once you (?:confirm"
    r"|say))\b"
    r"|确认|核对|复述|总结(?:一下)?|记录|记下|登记|提交|录入|备注|按.{0,10}(?:来|定|提交|记)|那就(?:按|定)|说定"
    r"|定下|成交|生效|明确(?:回复|答复)|回复(?:一个|个)?(?:“|「|\")?(?:是|好|可以|确认)"
)
TAKES = Bilingual(
    r"\b(?:works (?:for|well|on|with)|(?:that|it|[0-9]+)(?: (?:cny|yuan|a night|per night|rmb))* (?:works|is fine"
    r"|is good|is great|it is|suits|is acceptable|will do|fits)|(?:happy|glad|fine|good|great"
    r"|pleased) (?:to (?:accept|take|go)|with|at|for)|i (?:can )?(?:accept|agree|take)|we (?:can )?(?:accept|agree"
    r"|take)|accept(?:ed|ing)?|deal|great,? [0-9]|thank(?:s| you)[^.!?]{0,24}[0-9]|perfect|wonderful|excellent"
    r"|good,? [0-9]|let'?s (?:go with|settle|take|fix))\b"
    r"|接受|可以的?[,，]|没问题|好的?[,，].{0,6}[0-9]|就按|按您|成交|那就|太好了|同意"
)
CLOSE = Bilingual(
    r"\b(?:leave (?:it|things|this|the matter|the topic) (?:here|there|at that|as|open|with you)|(?:won't|will not"
    r"|shall not|not) (?:ask|bother|trouble|disturb|message|contact|write|press|push|take (?:more|any|up)|keep you"
    r"|raise|send|follow up)|no further|no more (?:messages|questions|requests)|nothing (?:changes|will change"
    r"|has changed)|have a (?:good|nice|lovely|great|pleasant|smooth|calm|quiet)|wish(?:ing|es)? (?:you|the|your)"
    r"|good ?bye|\bbye\b|take care|thank(?:s| you)(?: very much| so much| again)? for (?:your (?:time|patience"
    r"|reply|answer|consideration|help|understanding)|the (?:time|clear|quick|call|chat|honest)|taking|considering"
    r"|hearing me|reading|letting me know)|good luck|all the best|(?:come|get|write|check|circle|reach) back (?:at"
    r"|on|to you|in|tomorrow|later|then|when|after)|be in touch|write (?:again|then|tomorrow|later|to you (?:at|on"
    r"|tomorrow))|message (?:you )?(?:again|then|later|tomorrow|at)|contact you (?:again|later|then|tomorrow)"
    r"|try (?:again|you|later|tomorrow)|opt(?:ed|ing)? (?:you )?out|opt-out|mark(?:ed|ing)? (?:you|this|it) as"
    r"|pass (?:it|this|that|the (?:message|note|request)|a (?:note|message)|your) (?:on|along)|leave (?:a|this"
    r"|one) (?:note|message|line)|stays? (?:as (?:it )?is|at|the same|unchanged)|remains? (?:as (?:it )?is|at"
    r"|the same|unchanged)|keep (?:the (?:price|rate)|it|things) (?:as|at|unchanged)|talk (?:then|soon|tomorrow"
    r"|later)|until then|stop (?:here|writing|there|messaging)|close (?:this|the|it)|closing|end (?:here"
    r"|the conversation)|respect (?:that|your (?:decision|choice|answer)))\b"
    r"|不(?:再)?(?:打扰|打搅|麻烦|联系|发|多说|追问|勉强)|祝(?:您|你|生意|贵|店|好|愿|一切|入住|顺)|感谢(?:您|你"
    r"|配合|支持|理解|回复)|谢谢(?:您|你)?(?:的)?(?:时间|考虑|配合|支持|理解|回复|说明|告知)|再见|先(?:这样|到这)"
    r"|到(?:这里|此)|(?:保持|维持)(?:不变|原价|现价|现状)|不变|一切照旧|(?:稍后|明天|下午|晚上|晚点|到时|改天|届时"
    r"|回头|之后)再?(?:联系|跟您|给您|来|找您|发|问)|转达|转告|留(?:个|一句)(?:言|话)|有需要(?:随时|再|您)|不会再"
    r"|拜拜|先不聊|尊重您"
)
NEXT_STEP = Bilingual(
    r"\b(?:submitted|recorded|takes effect|will (?:be|show|appear|go live|update)|you(?:'ll| will) see"
    r"|within (?:a|one|two|\d))\b|已(?:提交|记录|登记)|生效|后台(?:可以|能|会)|很快"
)
IDENTITY = Bilingual(
    r"\b(?:i'm|i am|this is|here is|it's|my name|writing (?:to you )?(?:from|as)|on behalf of|assistant"
    r"|from the (?:booking )?platform|platform's)\b|我(?:是|这边是|们是)|助理|助手|平台(?:的|这边|方)"
)
CHECK = Bilingual(
    r"\b(?:is|are|does|do|have|has|am|can|could|may|let me|would you|please)\b[^.!?]{0,90}\b(?:right|correct"
    r"|confirm|check|verify|up to date|still|accurate|include[sd]?|listed|basis|per night|which room|what i have"
    r"|as i have)\b|\bi (?:see|have|show|understand)\b[^.!?]{0,40}\b(?:at|listed|room|price|rate)\b|\b(?:listed"
    r"|currently|current (?:rate|price)|the (?:rate|price) (?:is|shows|stands)|sell price|my (?:note|brief|list"
    r"|screen|sheet) (?:shows?|says))\b"
    r"|对吗|对吧|是吗|没错吧|是不是|核对|确认(?:一下|下)|(?:目前|现在|当前)(?:的)?(?:价|卖|挂|是|售|显示|房价)"
    r"|含(?:单|双)?早|请问.{0,12}(?:房|价)|核实"
)
CORRECT = Bilingual(
    r"\b(?:right|correct|match(?:es)?|accurate|up to date|as you have it|agree with your|confirm (?:that|this|it)"
    r"|still (?:the|your|[0-9])|get that)\b[^.!;]*\?|\bplease correct\b|对吗|对吧|是吗|没错吧|是不是|对不对|核对"
    r"|一致吗|准确吗"
)
REASON = Bilingual(
    r"\b(?:platform [a-z]\b|(?:other|another|different) (?:channel|site|platform|listing)|compet|nearby|compar"
    r"|search(?:es|ed|ing)?|demand|travell?ers?|(?:guests?|people|families|couples|customers) (?:\w+ )?(?:look"
    r"|search|compare|choose|book|see|pick|decide|pay|arrive|travel|want|prefer)|quiet(?:er)?|midweek|weekday"
    r"|empty|unsold|still open|rooms? (?:are )?(?:open|left|free)|off[- ]season|shoulder|because|since|the reason"
    r"|gap|transit|corporate|business (?:guests|travel)|school holidays|review|late arrivals|longer stays?"
    r"|difference|trial)\b"
    r"|平台[a-z]|渠道|对比|比较|搜(?:索|过)|需求|(?:客人|旅客|住客|家庭|商旅|情侣)(?:们)?(?:会|都|在|更|通常|往往"
    r"|一般|看|比|选|订|搜)|平日|周中|淡|空(?:房|着)|余房|还有[0-9一二两三四五六七八九十]+间|没(?:卖|订)出去|口碑"
    r"|因为|原因|差距|竞争|中转|商务客|暑期|试(?:一|两)晚|间空"
)
ACKNOWLEDGE = Bilingual(
    r"\b(?:understand|understood|i see|i hear|appreciate|fair (?:point|enough|concern)|sorry|apolog\w+"
    r"|makes? sense|of course|noted|that(?:'s| is) (?:fair|true|a fair|hard|tough|understandable)|you(?:'re"
    r"| are) right|thank(?:s| you) for|good (?:point|question)|no wonder|i know|must be|can imagine)\b|理解|明白"
    r"|确实|辛苦|不容易|抱歉|对不起|不好意思|您说得(?:对|是)|知道|收到|体谅|难处|有道理|谢谢您|感谢"
)
QUESTION = Bilingual(r"[?？]|(?:吗|呢|么)[。,，!！ ]*$")
