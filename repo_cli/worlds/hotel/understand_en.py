"""English cues by which the hotelier understands a reply; keys are the same as in `understand_zh`.

A cue is a regular expression on lower-cased text. Cues in `NEGATABLE` do not count inside a denial
("I cannot promise", "your ranking will not drop"). They are written for the language at large: no sentence of the
corpus is among them.
"""

from __future__ import annotations

_LISTING = r"(?:rank(?:ing|s)?|traffic|listing|visibility|exposure|position|placement|page|hotel|account|score)"
_WEAKEN = (
    r"(?:drop|fall|lower|push|move|cut|limit|reduc|remov|hid|delist|suspend|block|throttl|bury|demot|slip|sink"
    r"|suffer|shrink|los[et])\w*"
)
_GAIN = r"(?:bookings?|orders?|sales|revenue|guests?|rooms?|occupancy|reservations?|traffic|income)"

#: Whether something is said at all.
CUES: dict[str, str] = {
    "thanks": r"\bthank|appreciate|grateful|\bthanks\b",
    "close": (
        r"good ?bye|\bbye\b|have a (?:good|nice|great|lovely|pleasant)|all the best|best wishes|\bwish(?:ing)? you"
        r"|(?:i'?ll|i will|let me|we'?ll|we will) (?:leave|stop|end|close|finish)\b|leave (?:it|things|you) (?:here|at|be|as|in)"
        r"|(?:won'?t|will not|not going to|shall not) (?:bother|disturb|ask|trouble|push|take|contact|write|message|keep)"
        r"|thank(?:s| you)(?: (?:so|very) much)? for (?:your|the) (?:time|patience|answer|reply|call|clear)"
        r"|talk (?:to you )?(?:soon|later|then)|take care|(?:nothing|rate|price|everything|it) (?:will )?(?:changes?|stays?|remains?)\b"
        r"|(?:take|took|taken|remove[d]?|taking) you off|no (?:more|further) messages|sorry (?:to have|for) (?:bother|disturb|troubl)"
        r"|that(?:'s| is) (?:all|everything) (?:from|for)|(?:mark|note|noted|marked|record)\w* .{0,20}(?:opt|not to be contacted)"
        r"|enjoy (?:the|your)|until (?:then|tomorrow|monday)|speak (?:soon|then|tomorrow)"
    ),
    "callback": (
        r"call (?:you )?(?:back|again|later)|come back|(?:write|message|contact|ring|reach|try) (?:you )?(?:again|later|back|tomorrow|then|this|after|on|at)"
        r"|(?:another|better|good|right|quiet(?:er)?|best|what|which) (?:time|moment|hour|day)|get back to you|when (?:would|does|is|could|should|can|may|do|shall|suits?)\b"
        r"|(?:later|tomorrow|this (?:evening|afternoon)|after lunch|on monday)(?: today| morning| afternoon| evening)?\b.{0,25}(?:suit|better|work|fine|instead|then|ok|good)"
        r"|reach out (?:again|later|tomorrow)|pick this up"
    ),
    "handover": (
        r"pass (?:this|it|that|my|the|a|on|along)|leave (?:a|this|the|my|him|her|them) .{0,12}(?:note|message|line|word)|leave (?:a|one) (?:note|message|line|short)"
        r"|(?:let|tell) (?:the owner|the manager|them|him|her|your (?:boss|manager|owner)) know"
        r"|for the (?:owner|manager|boss)|tell (?:the owner|your (?:boss|manager))|hand (?:this|it) (?:on|over)|forward (?:this|it)"
    ),
    "who_decides": (
        r"who (?:\w+ )?(?:decid|sets?|can decide|could decide|is in charge|handles|looks after|would|makes|is responsible|may i|should i|do i|is the right|can i)"
        r"|right person|person (?:who|in charge)|(?:when|what time|how) .{0,30}(?:owner|manager|boss|decision[- ]maker|they|he|she)\b"
        r"|(?:owner|manager|boss) (?:be |is )?(?:in|back|available|reachable|there)|reach the (?:owner|manager)"
    ),
    "identity_ai": (
        r"\b(?:i am|i'm|this is|it'?s|yes|as|speaking is)\b.{0,40}\b(?:ai|a\.i\.|virtual|digital|automated|automatic)\b|\bai (?:assistant|agent|helper|system)"
        r"|(?:virtual|digital|automated) (?:assistant|agent|helper)|(?:not|isn'?t) a? ?(?:real |actual )?(?:human|person)\b|i am a (?:bot|robot|machine|program|computer)|i'm a (?:bot|robot|machine|program|computer)"
        r"|\bplatform'?s assistant|assistant (?:of|from|at|for) "
    ),
    "identity_platform": r"tripway|platform|booking site|travel agency|travel site|your partner|online agency",
    "verify": (
        r"back ?office|extranet|dashboard|verif|check (?:me|this|it|that|us|who)|confirm (?:it )?(?:in|with) (?:your|the)|look (?:me|it|this) up"
        r"|your (?:account manager|partner page)|partner portal|nothing (?:is|has to be|needs to be|will be) (?:paid|shared|sent)|no (?:payment|money|codes?|password)"
        r"|(?:not|never) ask (?:you )?for (?:a |any )?(?:code|password|payment|money|bank)|call (?:the|our) (?:hotline|platform|support)"
    ),
    "empathy": (
        r"\b(?:i )?(?:completely |fully |certainly |can |do |really )?(?:understand|understood|see|hear|get|appreciate|respect|realis|realiz|recognis|recogniz|know)\b"
        r"|makes sense|that(?:'s| is| must be| sounds) (?:fair|frustrating|hard|tough|understandable|disappointing|annoying|reasonable|true|right|a fair|a good|clear|difficult|a real|a valid)"
        r"|fair (?:point|enough)|of course|\bsorry\b|apolog|good (?:point|reason)|no wonder|naturally|you(?:'re| are) right|i'd feel|that would worry|valid|point taken|take (?:your|that|the) (?:point|seriously)"
    ),
    "date_limit": (
        r"only (?:for )?(?:these|those|the|this|that)|just (?:for )?(?:these|those|the two|the one|this|that|one|two)|these (?:\w+ )?(?:nights|dates) only|those (?:\w+ )?(?:nights|dates) only"
        r"|date[- ]limited|limited to|for (?:these|those) (?:\w+ )?(?:nights|dates)|no other (?:date|night)|other (?:dates|nights|days|rooms?) (?:stay|remain|keep|untouched|are not)"
        r"|(?:rest|remainder) of .{0,20}(?:stay|remain|untouched|unchanged|same)|end(?:s|ing)? (?:on|after|with)|afterwards? .{0,25}(?:back|return|normal)|goes back|one[- ]off|not beyond|nothing beyond|nothing else (?:change|move)"
        r"|last[- ]minute|midweek|early[- ]bird|longer[- ]stay|single night|weak(?:er)? nights?|quiet(?:er)? nights?|small trial|\btrial\b|short test|test (?:it )?(?:for|on)|try (?:it|this)"
    ),
    "choice": (
        r"up to you|your (?:call|decision|choice)|entirely yours|you decide|feel free|no pressure|if (?:it|that) suits|if you(?:'d| would)? (?:like|prefer|agree|wish)"
        r"|only if you|without your (?:yes|ok|okay|consent|approval)|either way|no (?:problem|worries) if|(?:is|that's|that is) (?:perfectly |completely |absolutely )?(?:fine|ok|okay) (?:too|as well)|nothing (?:changes|happens|moves) (?:without|until|unless)"
    ),
    "demand": r"search(?:es|ed)?\b|looked (?:at|for)|looking for|demand|interest|views?\b|travell?ers|rooms? (?:still|are|left|open|free|unsold)|still (?:open|free|available|empty|unsold)|open rooms|empty rooms?|vacan",
    "comparison": r"shows?\b|lists?\b|listed|elsewhere|another (?:channel|platform|site)|other (?:channel|platform|site)s?|platform [a-z]\b|compar|cheaper|level with|next to|same (?:room|night) .{0,20}(?:is|at|for)|gap|difference",
    "facts_check": (
        r"(?:is|are) (?:that|this|these|it|all|the|those|everything|my) .{0,30}(?:right|correct|accurate|true|up to date|still)|correct me|(?:right|correct|accurate|true|yes)\?|did i (?:get|read|note|have)|match(?:es)? (?:your|what you)"
        r"|do(?:es)? (?:that|this|these|it) .{0,15}(?:match|fit|agree)|(?:could|can|may|would) (?:you|i) .{0,12}(?:confirm|check|verify|double)|let me (?:check|confirm|make sure|verify)|just to (?:check|be sure|make sure)|have i got"
    ),
    "vague_ask": (
        r"(?:could|would|can|may|might|do|are|is|any|how about|what about|please|willing|consider|possible|open to|ask)\b[^.!?]{0,60}?\b(?:lower|reduc\w*|come down|coming down|go down|going down|bring \w+ down|drop|cheaper|discount|step down|small(?:er)? step"
        r"|adjust\w*|better (?:rate|price)|some room|a little less|a bit less|move (?:a little|a bit|down|on)|flexib\w*|trim|concession|special (?:rate|price)|deal for)"
        r"|(?:please|just|you should|you need to|you must) (?:lower|reduce|drop|cut) "
    ),
    "recap": (
        r"to (?:confirm|recap|sum|summari[sz]e|repeat|be clear)|(?:recap|summary|summing|confirming|recapping)\b|(?:i|we)(?:'ll| will| shall|'ve| have)? (?:note|noted|record|recorded|put down|write down|written down|enter|submit|file|book it|log)\b"
        r"|(?:so|then),? (?:that is|that's|it is|it's|we have|we are at|we said|the rate (?:is|will)|the price (?:is|will)|i have)|just to be (?:sure|clear)|let me (?:repeat|confirm|recap|sum|summari[sz]e|read|go over)|we(?:'ve)? agreed|(?:is|as) agreed|our agreement"
        r"|shall i (?:submit|enter|record|file|note|put)|may i (?:submit|enter|record|file|note)|can i (?:submit|record|confirm|note)|(?:do|can|could|would) you confirm|please confirm|confirm that|is that (?:right|correct)"
    ),
    "accept": (
        r"\b(?:i|we) (?:can |could |will |would |do |happily |gladly )?(?:accept|agree|take (?:it|that|the)|go (?:with|for|ahead)|settle|do (?:that|it)\b)|\bagreed\b|\bdeal\b|(?:works|fine|good|ok|okay|great|perfect|suits|workable) (?:for|by|with|on) (?:us|me|our|the platform)"
        r"|(?:that|this|it|which)(?:'s| is| works| would| will| sounds)(?: be| work)? ?(?:good|fine|great|perfect|ok|okay|acceptable|within|well|agreed|a deal)?\b(?: for us| with us)?(?=[,.! ]|$)(?<!\bthat is)(?<!\bthis is)(?<!\bit is)(?<!that's)(?<!it's)(?<!would)(?<!will)"
        r"|sounds (?:good|fine|great)|happy (?:with|to accept|to go|to take)|\bit is\b\s*(?:then)?[.!]|done deal|let'?s (?:do|go with|take|settle|fix|say yes)|you have a deal|consider it (?:done|agreed)|yes to "
    ),
    "opinion": r"how do you see|what do you think|your (?:view|thoughts|opinion|take|feeling)|how does that (?:sound|look|feel)|does that (?:sound|ring|fit|make)|would (?:that|it|this) (?:help|interest|be worth|make sense)|worth (?:a look|considering|discussing)",
    "time_ok": r"good (?:time|moment)|(?:have|got|spare) (?:a|one|two|half a) (?:minute|moment|second)|(?:is|does) (?:this|now|it) (?:a )?(?:ok|okay|suit|convenient|good|fine)|may i|can i (?:take|have|ask)|do you have (?:a )?(?:time|minute|moment)|quick (?:word|question|chat)|convenient|(?:are|am) (?:you|i) (?:the right|speaking|talking)|bad (?:time|moment)",
    "complaint": r"review|complain|ticket|case|logged|log (?:it|this|that)|our (?:support|service|quality) team|team .{0,30}(?:handle|look|take)|photo|refund|raise (?:it|this|that)|report(?:ed)? (?:it|this)|colleague",
    "scope": r"(?:outside|beyond|not (?:in|within|part|something|mine|for me)|can'?t|cannot|no (?:say|power|authority|mandate|influence)|not able|unable|not authori[sz]ed|don't have)\b.{0,60}|separate (?:team|topic|matter|process)|note (?:it|that|this|your)|pass (?:it|that) on",
}

#: Cues that a denial in the same clause switches off.
NEGATABLE: dict[str, str] = {
    "threat": (
        rf"{_LISTING}\b[^.!?,;]{{0,30}}\b(?:will|would|could|might|may|can|to|going to|gets?|goes|is)\b[^.!?,;]{{0,20}}\b{_WEAKEN}"
        rf"|\b(?:we|i|platform|system|they|it)(?:'ll| will| would| can| may| might| have to| could| must|'d)?\b[^.!?,;]{{0,20}}\b{_WEAKEN} (?:your|the|you)\b[^.!?,;]{{0,20}}(?:{_LISTING})?"
        rf"|{_WEAKEN} (?:your|in) {_LISTING}|or else|consequence|you(?:'ll| will) (?:regret|lose|suffer|pay for)|penal(?:ty|i[sz]e)|punish|sanction|we(?:'ll| will) (?:remember|see what happens)|don'?t (?:blame|be surprised)|take action against|remove you|blacklist|less (?:visible|exposure)"
    ),
    "exclusive": (
        r"stop (?:selling|listing|offering|working)[^.!?]{0,30}(?:other|elsewhere|platform|rival|them)|only (?:sell|list|work|offer) (?:with|through|on) us|exclusiv|close (?:the|your) other (?:channel|platform)|(?:must|may|should|have to|need to)(?: not|n'?t)? be (?:cheaper|lower|the lowest|the same|equal|higher)[^.!?]{0,30}(?:other|elsewhere|any)?|price parity|leave (?:the )?other platforms"
    ),
    "promise": (
        rf"\bguarantee|\bi promise|\bwe promise|i(?: can)? assure|(?:100|hundred) ?(?:%|per ?cent)|(?:definitely|certainly|surely|absolutely|for sure)[^.!?,;]{{0,25}}(?:sell|book|fill|full|more|rise|grow|double|increase|come)"
        rf"|(?:will|'ll|going to|gets? you|give you|bring you|get you|bring|brings|have)\b[^.!?,;]{{0,25}}(?:double|triple|sell out|sold out|fully? booked|full house|fill (?:up|every|all|your|the)|more {_GAIN}|extra {_GAIN}|first page|top (?:of|spot|position|place|rank)|rank (?:you )?(?:higher|first|up)|higher rank|better (?:ranking|placement|position)|boost|skyrocket)"
        rf"|{_GAIN} (?:will|are going to|is going to|'ll) (?:\w+ )?(?:rise|grow|increase|double|come|go up|jump|improve|explode|pick up|flood)|(?:put|move|push|place) you(?:r \w+)? (?:on|to|at|up)[^.!?,;]{{0,15}}(?:first|top|front|page|rank)"
        r"|never (?:again )?(?:ask|bother|lower|request|come)[^.!?,;]{0,25}again|no risk|risk[- ]free|nothing to lose"
    ),
    "pays": (
        r"(?:we|i|the platform|tripway|our side)(?: will|'ll| can| could| would|'d| are going to| shall)?\b (?:\w+ )?(?:pay|cover|subsidi[sz]e|refund|reimburse|compensate|chip in|contribute|absorb|top up|make up)\b[^.!?,;]{0,30}|(?:lower|cut|reduce|waive|drop|halve|discount)\w* (?:your|the|our) (?:commission|fee)s?|free (?:ads?|advert\w*|promotion|banner|campaign|slot)|(?:commission|fee)s? (?:will|can|could) (?:be|go|drop|fall)\w* (?:lower|reduced|cut|waived|down)"
    ),
    "deadline": r"last chance|expires? (?:in|at|today|tonight|soon|within)|(?:offer|chance|window|deal) (?:ends|closes|is gone)|only (?:today|until tonight)|(?:few|limited|only \w+) (?:places|spots|slots) (?:left|remain)|limited (?:places|spots|time|slots)|hurry|before it'?s too late|now or never|within (?:the|an|one|two|\d+) (?:hours?|minutes?)",
    "fake_rule": r"policy (?:requires|says|demands|obliges|states|forces)|(?:rules?|law|regulations?|contract|system) (?:say|says|require|requires|demand|demands|oblige)|you (?:must|have to|are (?:required|obliged|forced)|need to) (?:lower|match|reduce|be (?:lower|cheaper)|accept|agree|adjust)|(?:mandatory|compulsory|obligatory)",
    "social_proof": r"(?:all|every|most|many|each of|the other|other|several|your)\b[^.!?,;]{0,12}\b(?:hotels?|neighbou?rs?|competitors?|properties|houses)\b[^.!?,;]{0,30}\b(?:already|have|has|agreed|accepted|joined|lowered|lower|cut|reduced|signed|did)",
    "insult": (
        r"greedy|selfish|stupid|idiot|ridiculous|unreasonable|stubborn|foolish|silly|shame on|ashamed|dishonest|lazy|arrogant|rude|ignorant|pathetic|nonsense|(?:don'?t|do not) (?:you )?(?:care|understand anything|get it)|how dare|your fault|blame you|(?:wast(?:e|ing)) (?:my|our) time|bad (?:partner|attitude|business)|after all (?:i|we)(?:'ve| have)|let (?:me|us) down|you (?:clearly |obviously )?(?:have no|lack|don't know)|not (?:very )?(?:smart|clever|cooperative|sincere)|ungrateful|overpriced|rip[- ]?off"
    ),
    "secrets": r"verification code|pass ?word|\bpin\b|\botp\b|bank (?:account|card|details|data)|card number|log ?in (?:data|details|name)|credentials|security code|the code (?:we|you|that)|send (?:me|us) (?:the|your|a) code|account number|id card",
    "off_platform": r"\bwechat|whats ?app|telegram|\badd me\b|(?:your|my) (?:private|personal|own) (?:number|phone|mobile|e-?mail|line|account)|(?:call|text|phone|reach) me (?:at|on|under)|outside (?:the|this) (?:platform|chat)|talk privately",
    "done": r"(?:i|we)(?:'ve| have)? (?:already |just |now )?(?:changed|adjusted|lowered|updated|reduced|dropped|set (?:it|your|the) )|(?:has|have) (?:already |just )?been (?:changed|adjusted|lowered|updated|reduced|set)|already (?:changed|adjusted|lowered|updated|live|reduced|submitted)|is (?:now |already )live",
    "human": r"\b(?:i am|i'm|of course i am|yes,? i'?m|speaking to|talking to|this is)\b[^.!?]{0,20}\b(?:a real|a human|human|an actual|real person|a person|a man|a woman|a colleague in)\b|(?:i am|i'm) (?:not|no) (?:a |an )?(?:robot|bot|machine|computer|ai|program)|real (?:human|person)\b(?=[^?]*$)|flesh and blood",
    "meta": r"language model|\bsop\b|stage \d|system prompt|my (?:instructions|prompt|brief)|as an ai (?:language )?model",
}

#: A denial that covers what follows it within the clause.
DENIAL = r"\b(?:not|no|never|cannot|can'?t|won'?t|don'?t|doesn'?t|isn'?t|without|neither|nor|nothing|unable|nobody|none|hardly|outside|beyond|free to|avoid|instead of)\b|n't\b"

#: Words that name a root concern.
CONCERNS: dict[str, str] = {
    "margin": r"\bcosts?\b|margins?|profit|expens|wages|laundry|electricity|\bpower\b|staff|earn|bottom line|break[- ]even|overhead|at a loss|\bnet\b|tight (?:numbers|budget)",
    "regulars": r"regulars?\b|loyal|returning|repeat guests?|image|reputation|brand|(?:already|full) (?:paid|rate|price|booked)|faithful|standing|positioning|cheapen|coming back|come every|your name|guests who (?:paid|know|book)",
    "no_effect": r"last time|did(?:n'?t| not) (?:bring|help|work|do|pay|change|produce)|no (?:bookings?|effect|result|guests?|orders?)|nothing (?:came|happened|came of)|without (?:a )?(?:result|effect|bookings?)|tried (?:it )?(?:before|once|already)|previous(?:ly)?|earlier (?:cut|discount|try|attempt)|brought (?:you )?(?:nothing|no|little)|that (?:discount|cut|step) .{0,20}(?:nothing|no)",
    "peak": r"high season|peak|(?:busy|busiest|strong|popular|hot) (?:season|period|dates?|nights?|time|days|demand|week)|fill (?:up|anyway|by|these|those|without)|sell (?:out|by|themselves|anyway|easily)|\bfull\b|event|season is (?:strong|good)|strong (?:season|weekend|demand)|demand is (?:strong|high|good)|holidays? (?:are|is) (?:strong|busy|full)",
    "fees": r"commission|\bfees?\b|\bcut\b|your share|our share|deduct|charges?\b|what (?:we|the platform) takes?|subsid|pay(?:ing)? half|split(?:ting)? (?:it|the)|who pays|cover(?:ing)? (?:half|part|the)",
    "distrust": r"trust|scam|fraud|fake|caution|cautious|careful|verif|check (?:me|this|it|in|that|us|who)|back ?office|prove|genuine|behind your back|without (?:asking|your (?:yes|ok|consent|approval))|changed (?:your|the) (?:price|rate)|on its own|nothing (?:changes|moves|happens) (?:without|until|unless)|suspicio|your (?:yes|consent|approval)|automatic",
    "authority": r"owner|manager|\bboss\b|decides?|decision|who sets|in charge|on shift|your position|not (?:yours|your call) to|authori[sz]ed",
    "busy": r"\bbusy\b|guests (?:waiting|in front)|queue|check-?in|rush|no time|bad (?:time|moment)|when (?:suits|is|would|are)|later|another time|hands full|interrupt|disturb",
}

#: A reason that fits the class of the hotel.
CLASS_REASONS: dict[str, str] = {
    "business": r"corporate|business (?:guests?|travell?ers?|people|trips?|customers)|weekdays?|work ?days|invoice|late check-?out|compan(?:y|ies)|meetings?|conference|quiet weekends?|weekends? (?:are|is|tend|run|stay)",
    "family": r"famil(?:y|ies) (?!room|twin)|famil(?:y|ies)[,.!?]|children|child\b|kids?\b|school|holidays?|parents?|space for|playground|bunk",
    "boutique": r"character|couples?|few rooms|small house|reviews?|style|charm|atmosphere|special place|individual|design|cosy|cozy|handful of rooms",
    "budget": r"price[- ](?:sensitive|conscious|aware)|small (?:gap|difference)s?|every (?:yuan|cny|coin|penny)|few (?:yuan|cny)|tight budget|budget (?:guests?|travell?ers?)|look(?:s|ing)? (?:first )?at (?:the )?price|count(?:s|ing)? every|thin margin|save (?:a )?few|sort by price|a few yuan",
    "resort": r"weather|season|longer stays?|mid-?week|beach|pool|sea\b|holiday-?makers?|getaway|sunny|rain|stay (?:a night |one night )?longer|extra night|shoulder",
    "airport": r"flights?|transit|late arrivals?|one[- ]night|layover|stop-?over|early (?:departure|flight)|connect|delayed|terminal|passengers?|night between",
}

#: Cues around one price, tested on the clause it stands in.
ROLE_COMPETITOR = r"platform [a-z]\b|another (?:channel|platform|site|portal)|elsewhere|other (?:site|channel|platform|portal)s?\b|competitors?|neighbou?r|nearby|next door|similar (?:hotel|room)s?|rival|same (?:room|night|type)[^.?!]{0,25}(?:is|at|goes|for)|(?:the )?market|in the area|around you"
ROLE_CURRENT = r"(?:now|currently|at present|right now|today|at the moment|so far|present(?:ly)?|current(?: rate| price)?|instead of|rather than|down from|from|against|versus|vs\.?|you(?:'re| are) at|(?:we|our page|our site|it|you) (?:show|list|have|charge|sell)s?(?: it| you| this| the room)?(?: at)?|your (?:rate|price|room)(?: is| stands)?|listed at|shown at|displayed|than the|stay(?:s|ing)? at|keep(?:s|ing)?(?: it| the \w+)?(?: at)?|remains?(?: at)?|leave it at|compared (?:with|to)|next to|minus|a night on our)\W{0,3}(?:(?:your|the|our|a|rate|price|of|is|at|as|with|room|for|it|on|page)\W+){0,4}$"
ROLE_CURRENT_AFTER = r"^\W*(?:cny|yuan|rmb)?\W*(?:now|currently|at present|at the moment|right now|today|on our (?:page|site)|is (?:the|your) current)"
ROLE_ASK = r"\b(?:would|could|can|may|might|shall|ask|asking|propose|proposing|suggest|suggesting|how about|what about|consider|come down|coming down|go down|lower|lowering|drop|dropping|reduce|reducing|bring|bringing|meet|possible|hoping|hope|looking (?:for|at)|aim|aiming|think(?:ing)? of|need|want|like|try|trial|settle on|let'?s say|my (?:idea|number|figure|proposal)|offer guests|imagine|set(?:ting)?|move to|moving to|step to|adjust\w*|please|willing|what if|if you (?:went|could|came)|feasible|comfortable)\b"
ROLE_RECAP = CUES["recap"]
ROLE_ACCEPT = r"\b(?:i|we) (?:can |could |will |would |'ll |do |happily |gladly |are happy to )?(?:accept|agree|take|go (?:with|for|ahead)|settle)|\bagreed?\b|\bdeal\b|(?:works|fine|good|ok|okay|great|perfect|suits|workable|acceptable)\b|happy with|sounds (?:good|fine|great)|let'?s (?:do|go with|take|settle on|fix)|\bit is\b|(?:then|so) (?:it's|we take)|thank(?:s| you)[^.?!]{0,12}$|yes to|can do that|within (?:what|my|our)|we can (?:do|work with)"
ROLE_DIFFERENCE = r"difference|gap|apart|above|below|dearer|cheaper than|more than|less than|lower than|higher than|off (?:the )?(?:other|comparison)"
COUNTED = r"^\W*(?:\w+ )?(?:search|room|guest|people|view|booking|traveller|traveler|night|minute|hour|day|time|star|question|step|word|year|%|per ?cent)"

ROOM_WORDS = r"\b((?:(?:deluxe|executive|superior|standard|business|garden|sea-view|courtyard|attic|studio|terrace|compact|balcony|transit|soundproof|premium|luxury|ocean-view|early-check-in|family|bunk|presidential|junior|single|double|pool|classic|economy) )+(?:king|queen|twin|double|suite|room|villa|single|studio|apartment)|suite|villa|penthouse|apartment|dorm(?:itory)?)\b"
ROLE_CURRENT_STRONG = r"(?:instead of|rather than|\bfrom|against|versus|vs\.?|than the|than your|compared (?:with|to)|minus|currently(?: at)?|the current|your current|(?:rate|price) (?:is )?now(?: at)?|(?:stay|stays|remain|remains|keep it|keep)(?: as it is)? at|now at|you(?:'re| are)(?: now| still)? at|today'?s)\W{0,3}(?:(?:rate|price|of|at|is|your|the|our)\W+){0,3}$"
ROLE_COMPETITOR_AFTER = r"^\W*(?:cny|yuan|rmb)?\W*(?:a night |per night )?(?:on|at|with|from|over at) (?:platform [a-z]|another|other|a (?:rival|competing)|the (?:rival|competitor))"
ROLE_DECLINE = r"(?:can(?:no|')t|unable to|too (?:high|far)|not) (?:\w+ ){0,3}$"
