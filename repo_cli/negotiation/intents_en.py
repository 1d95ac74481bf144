"""How hotel people word each intent in English: a regular expression per intent, on folded text (lower case)."""

from __future__ import annotations

_NO = r"(?:not|n't|cannot|cant|wont|dont|doesnt|didnt|isnt|never)"
_BOSS = r"(?:owner|boss|manager|gm|general manager|director|head office|hq|revenue manager|management|supervisor|husband|wife|father|partner)"

HARD = (
    r"\b(?:stop|quit) (?:\w+ )?(?:messag|text|contact|writ|call|bother|ask|spam|pester|harass|sending|annoy|hassl)\w*"
    r"|\b(?:do not|don't|dont|never|please don't) (?:ever )?(?:message|contact|write|text|call|bother|disturb|e-?mail|reach out|send|ask|come back|try)"
    r"(?: (?:to )?(?:me|us|here|anything|any more|again|anymore|about this))"
    r"|\bleave (?:me|us) (?:alone|in peace|be)\b|\bunsubscribe\b|\b(?:remove|delete|take) (?:me|us|my number|our number|this number) (?:from|off)"
    r"|\b(?:i'll|i will|i'm going to|we'll|we will|going to) (?:block|report) (?:you|this)|\bblock(?:ing|ed) (?:you|this)|\bno more (?:messages|texts|calls|contact)"
    r"|\bgo away\b|\bget lost\b|\bpiss off\b|\bnever (?:again|contact)|\bthis is harassment|\blose (?:my|our|this) number|\bopt(?:ing|ed)? (?:me |us )?out\b"
    r"|\bdo not want (?:any )?(?:more )?(?:messages|contact)|\bdon't want (?:to hear from you|any more (?:messages|contact)|you (?:messaging|writing|calling))"
)
# a final no that does not forbid contact
FIRM = (
    r"\b(?:not|n't|never|isn't|aren't) (?:be )?(?:at all )?interested\b|\bno interest\b|\bend of (?:story|discussion|conversation|the conversation|talk)|\bfinal answer\b|\bmy answer is no\b"
    r"|\b(?:do not|don't|dont) (?:ask|bring it up|raise (?:it|this)) again\b|\bconversation (?:is )?over\b|\bdiscussion (?:is )?(?:over|closed)|\bi'm done (?:here|talking|with)"
    r"|\bwe(?:'re| are) done (?:here|talking)|\bnothing (?:more |else )?to (?:discuss|talk about)|\babsolutely not\b|\bthe answer is (?:still )?no\b|\bno means no\b|\bhow many times\b"
)
REFUSE = (
    r"^(?:[\W_]*(?:oh|well|sorry|hmm+|um|look|honestly|listen|but|ah)[\W_]+)*(?:no|nope|nah|non)\b(?!\s*(?:problem|worries|issue|doubt|matter|objection|need to apolog|one\b|idea))"
    rf"|\b(?:can't|cannot|can not|cant|won't|wont|will not|wouldn't|couldn't|shan't|don't|do not|not) (?:really |possibly |simply |just |be able to |afford to |going to |gonna |be |want to |wish to |plan to |see (?:us|me) )*"
    r"(?:do (?:it|that|this|any|anything|so|less|better)|lower(?:ing)?|drop(?:ping)?|reduc(?:e|ing)|discount(?:ing)?|cut(?:ting)?|accept(?:ing)?|agree(?:ing)?|mov(?:e|ing)|budg(?:e|ing)"
    r"|giv(?:e|ing) (?:you |any |a |that )|chang(?:e|ing) (?:it|the price|my price|our price|the rate|our rate|my rate|anything)|go(?:ing)? (?:any |that |there|down|lower)|negotiat\w*|sell(?:ing)? (?:at|for) (?:that|this|less|\d|two|three|four)|tak(?:e|ing) (?:that|less|it)|com(?:e|ing) down|touch(?:ing)? (?:the|our|my) (?:price|rate)|play(?:ing)? (?:that|this|with)|happen)"
    r"|\bnot (?:possible|happening|doable|acceptable|feasible|for (?:us|me)|this time|going to happen|gonna happen|a chance|willing|negotiable|on the table|with (?:us|me)|doing (?:it|that|this))\b"
    r"|\bimpossible\b|\bno (?:way|chance|deal|discounts?|reductions?|thanks?|thank you|go\b|can do|lower price|room (?:to|for)|flexibility|bargain\w*|haggling|movement)"
    r"|\bout of the question\b|\bforget (?:it|about it)\b|\b(?:i'll|we'll|i will|we will|gonna|have to|going to) (?:have to )?(?:pass|decline)\b|\b(?:i|we) (?:must |have to )?(?:decline|refuse|reject)\b|\brather not\b"
    r"|\b(?:price|rate|it|\d{2,5}) (?:stays|stands|remains|is staying|will stay|is fixed|is final|is firm|is what it is)\b|\bnon-?negotiable\b|\bfixed (?:price|rate)s?\b|\bkeep(?:ing)? (?:the|our|my|it at|this) (?:price|rate|same|as)"
    r"|\b(?:way |much |far |just )?too (?:low|cheap|little|much of a (?:cut|drop|discount))\b|\bcount (?:me|us) out\b|\b(?:i|we) don'?t (?:think so|do discounts?|do that|discount|want to|lower|see why we should|need (?:to|this|it|that|a discount))"
    r"|\bwhy (?:should|would) (?:i|we) (?:lower|drop|reduce|cut|go)\b|\bi'?d say no\b|\bthat's a no\b|\bstill no\b|\bnot lower(?:ing)?\b|\bno lower\b(?! than)"
)
ACCEPT_STRONG = (
    r"\b(?:it'?s a deal|deal(?! with| breaker)|you have a deal|you'?ve got (?:yourself )?a deal|agreed|i agree|we agree|i accept|we accept|accepted|confirmed|i confirm|we confirm|sold|settled|done deal|we have an agreement)\b"
    r"|\b(?:go ahead|please (?:proceed|submit|go on|do)|submit it|put it (?:in|through|down)|let'?s (?:do (?:it|that|this)|go (?:with|for)|shake)|set it (?:at|to|up)|change it then|record it|book it in|make the change|you can (?:change|submit|record|enter|set) it)\b"
    r"|\b(?:that|this|it|which|\d{2,5}|the price|the rate|the number|the figure)(?:'s| is| would be| will be|'ll be)? (?:a )?(?:\w+ )?(?:works?(?! out to)|ok(?:ay)?\b|fine\b|fair enough|acceptable|good for|agreeable|all ?right|perfect|doable|suits (?:me|us))"
    r"|\b(?:i|we) (?:can|could|will|would|'ll|am able to|are able to) (?:\w+ )?(?:do (?:that|it|this)|live with|accept|agree|manage that|go (?:with|along|for) (?:that|it|this)|take (?:that|it)\b(?! or)|work with that)"
    r"|\bi'?ll take it\b(?! or)|\bworks for (?:me|us)|\bhappy with (?:that|it|\d)|\bsounds (?:good|fair|fine|great|reasonable|ok|right)|\b(?:i'm|we're|i am|we are) (?:ok|okay|fine|good|happy|in)\b(?: with| to)?|\byou got it\b|\bno objections?\b|\bwhy not\b(?! \w+ \w+ \w+)"
    r"|\b(?:three|two|four|five|\d{2,5})[\w -]{0,14} it is\b|\ball right then\b|\bok(?:ay)?,? (?:then|do it|let'?s|go|deal|fine|agreed|that works|you win)|\bfine,? (?:then|do it|let'?s|go|you win)"
)
ACCEPT_WEAK = r"^\W*(?:ok(?:ay)?,? |well,? |oh,? |all ?right,? |hm+,? |fine,? )*(?:yes|yeah|yep|yup|sure|fine|absolutely|certainly|of course|alright|all right|very well|good|great|perfect|correct|right|exactly|no problem|definitely|by all means|fair enough|gladly|with pleasure|indeed)\b"
ACK = r"^\W*(?:(?:h+m+|m+h*m*|ok+|okay|k|uh+|um+|ah+|oh+|eh|well|so|and|i see|right|got it|noted|i know|uh huh|yeah\?|really|let me see|thinking|interesting|go on|yes\?|what\?|huh)\W*){0,3}$"
CONDITION = (
    r"\b(?:but (?:only|not|just|never|no|without|with|i|we|the|it|you|weekend|friday|saturday|keep|for)|only (?:for|on|if|sunday|monday|weekday|midweek|until|from|the|when|one|those|these|non|room|as)|as long as|provided|on (?:the )?condition|on one condition|"
    r"if (?:you|it's|they|guests|the|we|there|that|nobody|payment|it)|except|excluding|not (?:on|for|at|over) (?:the )?(?:weekend|friday|saturday|holiday)|weekdays only|weeknights only|without breakfast|no breakfast|room only|breakfast (?:extra|not included|excluded)|"
    r"non-?refundable|prepaid|minimum (?:stay|of two)|min stay|limited to|for one night only|one room only|not the other)\b"
)
SOFTEN = r"\b(?:maybe|perhaps|depends|possibly|could be|might|what do you have in mind|what did you have in mind|how (?:low|much)|what (?:price|number|figure|rate)|i'?m listening|tell me more|go on|let'?s hear|open to|what would you|make me an offer|suggest)\b"

INTENTS: dict[str, str] = {
    "O07": r"\b(?:a |some |another )?(?:ro)?bots?\b|\bchat ?bot|\b(?:an? |you |some )?a\.?i\b(?! ?r)|\bmachine\b|\b(?:a |real |actual |an actual |speak(?:ing)? to a |talk(?:ing)? to a )?(?:human|real person|living person)\b|\bautomated\b|\bauto-?reply|\bcomputer program|\bare you (?:a person|real|human)",
    "O06": (
        r"\bscam|\bfraud|\bphish|\bspam\b|\blegit\b|\bfake\b|\bswindl|\bcon (?:man|artist)|\bhow (?:do|can|would|could) (?:i|we) (?:know|trust|be sure|verify|tell)|\bprove (?:it|you|that|who)|\bproof\b|\b(?:can|could) you prove|\bverify (?:you|who|this|that|your)"
        r"|\bare you (?:really|actually|even) (?:from|with|the)|\bis this (?:real|really|for real|genuine)|\b(?:don't|do not|dont) trust (?:you|this)|\bwho (?:is this|are you)\b|\bnever heard of you|\bsounds? (?:fishy|suspicious|dodgy)|\bsuspicious\b|\bidentity|\bimposter|\bimpersonat|\btrick\b"
    ),
    "O17": (
        r"\b(?:chang|adjust|lower|cut|touch|alter|drop|reduc|mess|fiddl|set|modif|switch|repric|play)\w*\b[^.;!?]{0,36}\b(?:without (?:asking|telling|permission|my|our|consent|any|notice|warning|so much)|behind (?:my|our) back|on (?:your|its|their) own|by (?:itself|yourselves|themselves)|again and again|never asked|nobody asked|no one asked|automatically|unasked|every (?:week|time|month))"
        r"|\byou (?:people|guys|lot|folks)? ?(?:keep|always|kept|constantly|just|already|went and|once|have been) (?:on )?(?:chang|lower|cut|drop|messing|touch|adjust|alter|playing|fiddl|reduc|overrid|tamper)\w*"
        r"|\bwithout (?:asking|telling|permission|my (?:consent|permission|ok)|our (?:consent|permission|ok)|consent)\b|\bauto(?:matic)?[ -]?(?:repric|pric|adjust)|\bwho (?:changed|lowered|touched) (?:my|our) (?:price|rate)|\b(?:my|our) (?:price|rate)s? (?:was|were|got|get|gets|keep|keeps|has been|have been|changed|dropped) (?:being )?(?:chang|lower|cut|alter|by itself|overnight)"
    ),
    "O15": (
        r"\b(?:bad|negative|one-?star|1-?star|nasty|unfair|fake|that|this|the) review|\breview (?:removed|deleted|fixed|is (?:unfair|fake|wrong))|\bcomplain|\brefund|\bunpaid\b|\b(?:haven't|have not|not|never|still not) (?:been )?(?:paid|received (?:the|my|our|any) (?:money|payment))|\bowe (?:me|us)|\bpayout|\bmissing payment|\bpayment (?:is |was )?(?:late|missing)"
        r"|\b(?:customer service|customer support|your support|support team|hotline)\b|\bfirst (?:fix|solve|sort|deal with|remove|handle|pay|settle)|\b(?:fix|solve|sort out|deal with|remove|resolve) (?:my|our|the|that|this) |\bno-?shows?\b|\bchargeback|\bwrong (?:photo|picture|description|address)|\bdispute|\blast invoice|\bovercharg|\bthe guest (?:you sent|from your)|\bticket (?:is |still )?open|\bstill waiting for"
    ),
    "O05": (
        r"\b(?:busy|swamped|in a meeting|on the phone|tied up|in the middle of|rushed|no time|don't have (?:the )?time|haven't (?:got )?time|can't talk|cannot talk|can't chat|not a good (?:time|moment)|bad (?:time|moment)|short[- ]staffed|guests? (?:waiting|checking in|at the desk|in front of me)|checking (?:in )?(?:guests|people)|on my break|about to leave|full lobby|queue|hectic)\b"
        r"|\b(?:call|message|text|write|talk|come back|try|contact|ping|get back|speak|ask|reach|catch|check back|discuss|look at (?:it|this)|chat)\b[^.;!?]{0,24}\b(?:later|tomorrow|tonight|next week|another (?:time|day)|some other|in an hour|in a (?:few|couple)|this (?:evening|afternoon)|in the (?:morning|evening|afternoon)|after (?:lunch|work|the|\d|noon|six|five|four|three|two|nine|ten)|on monday|monday|when i|once)"
        r"|^\W*(?:maybe |perhaps |ok,? |please,? |sorry,? )*(?:later|not now|another time|some other time|tomorrow)\b|\bnot now\b|\bgive me (?:an hour|a (?:minute|moment|day|while|few)|some time|until)|\b(?:i'll|i will|we'll|let me) (?:think|get back|let you know|sleep on)|\bneed (?:some |more )?time\b"
    ),
    "O02": (
        r"\b(?:only|just) (?:at |on |work(?:ing)? (?:at |on )?)?(?:the |a |an )?(?:front desk|receptionist|reception|night (?:clerk|shift|porter|auditor)|desk clerk|clerk|intern|trainee|staff|temp|cleaner|employee|assistant|housekeep)"
        rf"|\b{_BOSS}\b[^.;!?]{{0,26}}\b(?:is ?n'?t|isnt|not|away|out|off|decides?|handles?|sets?|abroad|travel|on leave|on holiday|asleep|has to|must|would have|needs? to|will have|back|only|gone|does (?:the|all|that)|deals with|approves?)\b"
        rf"|\b(?:ask|check with|talk to|speak (?:to|with)|consult|run (?:it|this) (?:by|past)|need|clear it with|approval (?:of|from)|decision of|decided by|pass it to|wait for) (?:with )?(?:the|my|our) {_BOSS}\b"
        r"|\b(?:not|isn't|never) (?:my|mine|our) (?:decision|call|job|department|to (?:make|decide))|\b(?:not|isn't) mine to|\b(?:can't|cannot|cant|not able to|couldn't) (?:decide|approve|authori[sz]e|make (?:that|this|the|such|those) (?:decision|call|change)s?|sign off)"
        r"|\b(?:no|have no|don't have (?:the |any )?|without (?:the )?) ?(?:authority|power|permission|say|access to (?:the )?(?:prices|rates))\b|\b(?:not|n't) (?:authori[sz]ed|allowed|permitted|in charge|up to me|responsible|the (?:right|one|person))|\bwrong person\b|\babove my pay|\bi (?:don't|do not|dont) (?:set|make|handle|decide|do|deal with|control|manage) (?:the )?(?:price|rate|pricing|that|this|these)"
    ),
    "O13": r"\bnet (?:rate|price)|\bafter (?:your |the )?(?:commission|cut)\b|\bnet (?:to|of)\b|\bin (?:my|our) pocket",
    "O09": (
        r"\b(?:you|you guys|your (?:side|platform|company)|the platform|platform)(?:'ll| will| to|'d| would| can| could| should| gonna| also| going to)* (?:also )?(?:pay|cover|share|subsidi[sz]e|contribute|chip in|split|compensate|absorb|fund|bear|refund|make up|sponsor|put in|match|top (?:it )?up)\b(?! your| the commission)"
        r"|\bwho(?:'s| is|'ll| will)? (?:going to )?(?:pay|cover|bear|fund|absorb|carr|foot|paying|covering|bearing|funding)|\bsubsid|\b(?:split|share) the (?:cost|discount|cut|loss|difference)|\bout of (?:my|our) (?:own )?pocket|\bpay half|\bhalf of it\b|\byour (?:share|contribution|part in)|\bwhat (?:will|do|would|does) (?:you|the platform) (?:contribute|pay|put in|give)"
    ),
    "O10": (
        r"\bwhy (?:do you say|are you saying|would you say|you say|say)|\b(?:see|shows?|showing|got|find|found|looks?|it's|is) (?:it |exactly |just |to be )?the same (?:price|rate|everywhere|on|there|here|figure|number)|\bsame (?:price|rate) (?:everywhere|here|there|on|across|for)|\b(?:not|n't|isn't|aren't) (?:any )?(?:more expensive|dearer|cheaper|pricier|true|correct|accurate|what i see|what we see)\b"
        r"|\bthat(?:'s| is) (?:wrong|false|nonsense|incorrect|not (?:right|true|correct))|\bwhere (?:did|do) you (?:get|see|find|have)|\bwhich (?:platform|site|website|channel|hotel|competitor|other)|\bwhat (?:platform|site|website)\b|\b(?:don't|do not|can't|cannot) (?:see|find) (?:that|it|any|a lower|this|such|anything)|\b(?:you|you've|you're|you are|your (?:numbers?|figures?|data|information)) (?:got it |have it |are |is |is |must be |looks? )?(?:wrong|mistaken|outdated|out of date|off)\b|\bshow me\b|\bi (?:just )?checked\b|\b(?:dearer|cheaper|more expensive) (?:here|there|where|how)\b|\bwhere is it cheaper|\bhow (?:are|is|come) (?:we|it|our|my)[^.;!?]{0,16}(?:dearer|more expensive|higher|pricier)|\bwhat are you comparing|\bcompar(?:e|ing) (?:with|to|apples|us|different)"
    ),
    "O08": (
        r"\b(?:lower|cut|drop|reduc|discount|did (?:it|this|that)|tried|went down|promo|offer|deal|campaign|joined|gave|came down)\w*\b[^.;!?]{0,50}\b(?:no|not|nothing|zero|without|few|none|n't|never|same|hardly|barely|single|nobody|empty)\b[^.;!?]{0,24}(?:bookings?|effect|help|order|differen|came|sold|change|result|work|guests?|extra|room|happen|better|booked|more|good|reservation|$)"
        r"|\bmade no difference|\b(?:didn't|did not|doesn't|does not|won't|never|wouldn't) (?:really )?(?:help|work|bring|change anything|make (?:a|any) difference|do (?:anything|much|a thing)|pay off|sell)|\bnothing (?:came|happened|changed)|\b(?:no|zero|not one|not a single|without a single|without any|hardly any) (?:extra |more |additional |new |single )?(?:bookings?|orders?|reservations?|effect)\b"
        r"|\bwhat(?:'s| is| was)? (?:the )?(?:good|use|point)\b|\b(?:no use|useless|pointless|waste of)\b|\bdoes (?:it|that) (?:even |really )?(?:help|work)|\bwhat (?:difference|good) (?:does|did|would|will)"
    ),
    "O04": r"\bcommissions?\b|\byour (?:cut|fees?|share|percentage|margin|charges)\b|\b(?:fees?|charges) (?:are|is|you|too)|\byou (?:already |also |still )?(?:take|charge|keep|skim|pocket) (?:\w+ )?(?:\d|a (?:big|huge|large)|so much|too much|more|fifteen|twenty|enough)",
    "O03": (
        r"\b(?:high|peak|busy|top|main) season|\b(?:will|'ll|going to|gonna|always|usually|do) (?:fill|sell|be full|be sold)\b|\bfill(?:s|ing)? (?:up )?(?:anyway|fast|quickly|without|by itself|regardless|either way|easily)|\b(?:fully|almost|nearly|practically|already|pretty much|quite) (?:booked|full|sold out)|\bsell out|\bsold out|\b(?:no (?:problem|trouble|difficulty|need)) (?:selling|filling|to sell|to fill)|\bdemand is (?:high|strong|good|great)|\balways full|\b(?:busy|full) (?:anyway|that week|those (?:days|dates|nights)|then|period|that weekend|these days)"
        r"|\b(?:holidays?|festival|trade fair|conference|concert|exhibition|expo|marathon|wedding)s? (?:week|season|in town|period|that|those|is|are|around|on)|\b(?:don't|do not) need (?:more |any |extra )?(?:bookings?|guests?|business|help)|\brooms? (?:will )?(?:sell|go|book)s? (?:themselves|itself|anyway|out|fast)|\bplenty of (?:bookings|guests|demand|business)|\boccupancy is|\bno empty rooms|\bdon't (?:worry|have to worry) about (?:selling|filling)"
    ),
    "O01": (
        r"\b(?:already|it's|is|are|was|at) (?:\w+ )?(?:the |our |my |as |very |so |quite |really |pretty |rock |a )?(?:low(?:est)?|cheap(?:est)?|rock[- ]bottom|bottom|minimum|best price|best rate|good price|bargain|limit)\b|\b(?:lowest|best|cheapest) (?:it|we|i|that|price|rate|you)|\bno (?:profit|margin|more room|room left|money in)|\b(?:margins?|profits?)\b[^.;!?]{0,14}\b(?:thin|tight|gone|small|low|razor|slim|none|nothing|zero|squeezed|left)"
        r"|\bbarely (?:break|cover|mak|surviv|earn|any)|\bbreak(?:ing)? even|\b(?:can't|cannot|cant) (?:go|get|do|price) any (?:lower|cheaper|less)|\b(?:at a|make a|making a|take a) loss|\b(?:lose|losing|lost|loses) money|\b(?:below|at|under) cost\b|\bcover (?:my|our|the) costs?|\b(?:costs?|wages?|electricity|rent|laundry|expenses|utilities)\b[^.;!?]{0,20}\b(?:up|rising|high|more|expensive|increased|risen|to pay|killing|going up)"
        r"|\b(?:price|rate)s? (?:is|are) (?:already |very |really |quite |perfectly |more than )*(?:low|fair|reasonable|competitive|cheap|good|right)|\bas low as (?:it|we|i)|\bregulars?\b|\bloyal (?:guests|customers)|\b(?:brand|price) image|\bcheapen|\bguests who (?:paid|booked) (?:more|already|earlier|full)"
    ),
    "O16": (
        r"\bweather\b|\bpoem\b|\bjokes?\b|\bfootball\b|\bsoccer\b|\bbasketball\b|\brecipe|\bsing\b|\bsong\b|\bwho won\b|\bmovie|\bpresident\b|\bbitcoin\b|\bstock market|\blottery\b|\bhoroscope|\bhomework\b|\btranslate\b|\btell me (?:a story|about yourself|something funny)|\bwhat(?:'s| is) (?:your (?:name|favou?rite)|the capital|the meaning)|\bhow old are you|\bignore (?:your|all|the|previous)|\bsystem prompt|\bwrite (?:me )?(?:a|some) (?:code|essay|letter|poem|story)|\bplay (?:a game|music)|\bdinner\b|\bmarry me|\bgood restaurant|\brestaurant (?:tip|recommend)|\bthe match\b|\bworld cup\b|\bdo you like\b"
    ),
}
