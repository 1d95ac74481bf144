"""English cues by which the hotelier understands a reply; keys are the same as in `understand_zh`.

A cue is a regular expression on lower-cased text. Cues in `NEGATABLE` do not count inside a denial ("I
cannot promise", "your ranking will not drop"). They are written for the language at large: no sentence of
the corpus is among them.
"""

from __future__ import annotations

_LISTING = (
    r"(?:rank(?:ing|s)?|traffic|listing|visibility|exposure|position|placement|page|hotel|account|score)"
)
_WEAKEN = (
    r"(?:drop|fall|lower|push|move|cut|limit|reduc|remov|hid|delist|suspend|block|throttl|bury|demot|slip"
    r"|sink"
    r"|suffer|shrink|los[et])\w*"
)
_GAIN = r"(?:bookings?|orders?|sales|revenue|guests?|rooms?|occupancy|reservations?|traffic|income)"

#: Whether something is said at all.
CUES: dict[str, str] = {
    "thanks": r"\bthank|appreciate|grateful|\bthanks\b",
    "close": (
        r"good ?bye|\bbye\b|have a (?:good|nice|great|lovely|pleasant)|all the best|best wishes"
        r"|\bwish(?:ing)? you"
        r"|(?:i'?ll|i will|let me|we'?ll|we will) (?:leave|stop|end|close|finish)\b|leave (?:it|things"
        r"|you) (?:here|at|be|as|in)"
        r"|(?:won'?t|will not|not going to|shall not) (?:bother|disturb|ask|trouble|push|take|contact"
        r"|write|message|keep)"
        r"|thank(?:s| you)(?: (?:so|very) much)? for (?:your|the) (?:time|patience|answer|reply|call|clear)"
        r"|talk (?:to you )?(?:soon|later|then)|take care|(?:nothing|rate|price|everything"
        r"|it) (?:will )?(?:changes?|stays?|remains?)\b"
        r"|(?:take|took|taken|remove[d]?|taking) you off|no (?:more|further) messages|sorry (?:to have"
        r"|for) (?:bother|disturb|troubl)"
        r"|that(?:'s| is) (?:all|everything) (?:from|for)|(?:mark|note|noted|marked"
        r"|record)\w* .{0,20}(?:opt|not to be contacted)"
        r"|enjoy (?:the|your)|until (?:then|tomorrow|monday)|speak (?:soon|then|tomorrow)"
    ),
    "callback": (
        r"call (?:you )?(?:back|again|later)|come back|(?:write|message|contact|ring|reach"
        r"|try) (?:you )?(?:again|later|back|tomorrow|then|this|after|on|at)"
        r"|(?:another|better|good|right|quiet(?:er)?|best|what|which) (?:time|moment|hour|day)"
        r"|get back to you|when (?:would|does|is|could|should|can|may|do|shall|suits?)\b"
        r"|(?:later|tomorrow|this (?:evening|afternoon)|after lunch|on monday)(?: today| morning"
        r"| afternoon| evening)?\b.{0,25}(?:suit|better|work|fine|instead|then|ok|good)"
        r"|reach out (?:again|later|tomorrow)|pick this up"
    ),
    "handover": (
        r"pass (?:this|it|that|my|the|a|on|along)|leave\b[^.!?]{0,25}\b(?:note|message|line|word)\b"
        r"|(?:let|tell) (?:the owner|the manager|them|him|her|your (?:boss|manager|owner)) know"
        r"|for the (?:owner|manager|boss)|tell (?:the owner|your (?:boss|manager))|hand (?:this|it) (?:on"
        r"|over)|forward (?:this|it)"
    ),
    "who_decides": (
        r"who (?:\w+ )?(?:decid|sets?|can decide|could decide|is in charge|handles|looks after|would|makes"
        r"|is responsible|may i|should i|do i|is the right|can i)"
        r"|right person|person (?:who|in charge)|(?:when|what time|how) .{0,30}(?:owner|manager|boss"
        r"|decision[- ]maker|they|he|she)\b"
        r"|(?:owner|manager|boss) (?:be |is )?(?:in|back|available|reachable|there)|(?:reach|catch"
        r"|speak (?:to|with)|talk to|get hold of) (?:her|him|them|the owner|the manager|the boss|your)"
    ),
    "identity_ai": (
        r"\b(?:i am|i'm|this is|it'?s|yes|as|speaking is)\b.{0,40}\b(?:ai|a\.i\.|virtual|digital|automated"
        r"|automatic)\b|\bai (?:assistant|agent|helper|system)"
        r"|(?:virtual|digital|automated) (?:assistant|agent|helper)|(?:not|isn'?t) a? ?(?:real "
        r"|actual )?(?:human|person)\b|i am a (?:bot|robot|machine|program|computer)|i'm a (?:bot|robot"
        r"|machine|program|computer)"
        r"|\bplatform'?s assistant|assistant (?:of|from|at|for) "
    ),
    "identity_platform": (
        r"tripway|platform|booking site|travel agency|travel site|your partner|online agency"
    ),
    "verify": (
        r"back ?office|extranet|dashboard|verif|check (?:me|this|it|that|us|who)|confirm (?:it )?(?:in"
        r"|with) (?:your|the)|look (?:me|it|this) up"
        r"|your (?:account manager|partner page)|partner portal|nothing (?:is|has to be|needs to be"
        r"|will be) (?:paid|shared|sent)|no (?:payment|money|codes?|password)"
        r"|(?:not|never) ask (?:you )?for (?:a |any )?(?:code|password|payment|money|bank)|call (?:the"
        r"|our) (?:hotline|platform|support)"
    ),
    "empathy": (
        r"\b(?:i )?(?:completely |fully |certainly |can |do |really )?(?:understand|understood|see|hear"
        r"|get|appreciate|respect|realis|realiz|recognis|recogniz|know)\b"
        r"|makes sense|that(?:'s| is| must be| sounds) (?:fair|frustrating|hard|tough|understandable"
        r"|disappointing|annoying|reasonable|true|right|a fair|a good|clear|difficult|a real|a valid)"
        r"|that (?:must|would|will|can) (?:have been|be|feel|hurt|sting)|i'?d (?:hesitate|feel|be|worry"
        r"|do)|fair (?:point|enough)|of course|\bsorry\b|apolog|good (?:point|reason)|no wonder|naturally"
        r"|you(?:'re| are) right|i'd feel|that would worry|valid|point taken|take (?:your|that"
        r"|the) (?:point|seriously)"
    ),
    "date_limit": (
        r"only (?:for )?(?:these|those|the|this|that)|just (?:for )?(?:these|those|the two|the one|this"
        r"|that|one|two)|these (?:\w+ )?(?:nights|dates) only|those (?:\w+ )?(?:nights|dates) only"
        r"|date[- ]limited|limited to|for (?:these|those) (?:\w+ )?(?:nights|dates)|no other (?:date"
        r"|night)|other (?:dates|nights|days|rooms?) (?:stay|remain|keep|untouched|are not)"
        r"|(?:rest|remainder) of .{0,20}(?:stay|remain|untouched|unchanged|same)|end(?:s|ing)? (?:on|after"
        r"|with)|afterwards? .{0,25}(?:back|return|normal)|goes back|one[- ]off|not beyond|nothing beyond"
        r"|nothing else (?:change|move)"
        r"|last[- ]minute|midweek|early[- ]bird|longer[- ]stay|single night|weak(?:er)? nights?"
        r"|quiet(?:er)? nights?|small trial|\btrial\b|short test|test (?:it )?(?:for|on)|try (?:it|this)"
    ),
    "choice": (
        r"up to you|your (?:call|decision|choice)|entirely yours|you decide|feel free|no pressure|if (?:it"
        r"|that) suits|if you(?:'d| would)? (?:like|prefer|agree|wish)"
        r"|only if you|without your (?:yes|ok|okay|consent|approval)|either way|no (?:problem|worries) if"
        r"|(?:is|that's|that is) (?:perfectly |completely |absolutely )?(?:fine|ok|okay) (?:too|as well)"
        r"|nothing (?:changes|happens|moves) (?:without|until|unless)"
    ),
    "demand": (
        r"search(?:es|ed)?\b|looked (?:at|for)|looking for|demand|interest|views?\b|travell?ers"
        r"|rooms? (?:still|are|left|open|free|unsold)|still (?:open|free|available|empty|unsold)"
        r"|open rooms|empty rooms?|vacan"
    ),
    "comparison": (
        r"shows?\b|lists?\b|listed|elsewhere|another (?:channel|platform|site)|other (?:channel|platform"
        r"|site)s?|platform [a-z]\b|compar|cheaper|level with|next to|same (?:room|night) .{0,20}(?:is|at"
        r"|for)|gap|difference"
    ),
    "facts_check": (
        r"(?:is|are) (?:that|this|these|it|all|the|those|everything|my) .{0,30}(?:right|correct|accurate"
        r"|true|up to date|still)|correct me|(?:right|correct|accurate|true|yes)\?|did i (?:get|read|note"
        r"|have)|match(?:es)? (?:your|what you)"
        r"|do(?:es)? (?:that|this|these|it) .{0,15}(?:match|fit|agree)|(?:could|can|may|would) (?:you"
        r"|i) .{0,12}(?:confirm|check|verify|double)|let me (?:check|confirm|make sure|verify)"
        r"|just to (?:check|be sure|make sure)|have i got"
    ),
    "vague_ask": (
        r"(?:\bcould|\bwould|\bcan|\bmay|\bmight|do you|are you|is there|any (?:chance|room|way|flex\w*"
        r"|possibility)|how about|what about|please|willing|consider|possible|open to|ask (?:you"
        r"|for))\b[^.!?]{0,60}?\b(?:lower|reduc\w*|come down|coming down|go down|going down|bring \w+ down"
        r"|drop|cheaper|discount|step down|small(?:er)?,?[^.!?]{0,20} step"
        r"|adjust\w*|better (?:rate|price)|some room|a little less|a bit less|move (?:a little|a bit|down"
        r"|on)|flexib\w*|trim|concession|special (?:rate|price)|deal for)"
        r"|(?:please|just|you should|you need to|you must) (?:lower|reduce|drop|cut) "
    ),
    "recap": (
        r"to (?:confirm|recap|sum|summari[sz]e|repeat|be clear)|(?:recap|summary|summing|confirming"
        r"|recapping)\b|(?:i|we)(?:'ll| will| shall|'ve| have)? (?:note|noted|record|recorded|put down"
        r"|write down|written down|enter|submit|file|book it|log)\b"
        r"|(?:so|then),? (?:that is|that's|it is|it's|we have|we are at|we said|the rate (?:is|will)"
        r"|the price (?:is|will)|i have)|(?:just )?to be (?:sure|clear|safe)|let me (?:repeat|confirm"
        r"|recap|sum|summari[sz]e|read|go over)|we(?:'ve)? agreed|(?:is|as) agreed|our agreement"
        r"|shall i (?:submit|enter|record|file|note|put)|may i (?:submit|enter|record|file|note)"
        r"|can i (?:submit|record|confirm|note)|(?:do|can|could|would) you confirm|please confirm"
        r"|confirm that|is that (?:right|correct)"
    ),
    "accept": (
        r"\b(?:i|we) (?:can |could |will |would |do |happily |gladly )?(?:accept|agree|take (?:it|that"
        r"|the)|go (?:with|for|ahead)|settle|do (?:that|it)\b)|\bagreed\b|\bdeal\b|(?:works|fine|good|ok"
        r"|okay|great|perfect|suits|workable) (?:for|by|with|on) (?:us|me|our|the platform)"
        r"|(?:that|this|it|which)(?:'s| is| works| would| will| sounds)(?: be| work)? ?(?:good|fine|great"
        r"|perfect|ok|okay|acceptable|within|well|agreed|a deal)?\b(?: for us| with us)?(?=[,.! ]"
        r"|$)(?<!\bthat is)(?<!\bthis is)(?<!\bit is)(?<!that's)(?<!it's)(?<!would)(?<!will)"
        r"|sounds (?:good|fine|great)|happy (?:with|to accept|to go|to take)|\bit is\b\s*(?:then)?[.!]"
        r"|done deal|let'?s (?:do|go with|take|settle|fix|say yes)|you have a deal|consider it (?:done"
        r"|agreed)|yes to "
    ),
    "opinion": (
        r"how do you see|what do you think|your (?:view|thoughts|opinion|take|feeling)"
        r"|how does that (?:sound|look|feel)|does that (?:sound|ring|fit|make)|would (?:that|it"
        r"|this) (?:help|interest|be worth|make sense)|worth (?:a look|considering|discussing)"
    ),
    "time_ok": (
        r"good (?:time|moment)|(?:have|got|spare) (?:a|one|two|half a) (?:minute|moment|second)|(?:is"
        r"|does) (?:this|now|it) (?:a )?(?:ok|okay|suit|convenient|good|fine)|may i|can i (?:take|have"
        r"|ask)|do you have (?:a )?(?:time|minute|moment)|quick (?:word|question|chat)|convenient|(?:are"
        r"|am) (?:you|i) (?:the right|speaking|talking)|bad (?:time|moment)"
    ),
    "complaint": (
        r"review|complain|ticket|case|logged|log (?:it|this|that)|our (?:support|service|quality) team"
        r"|team .{0,30}(?:handle|look|take)|photo|refund|raise (?:it|this|that)|report(?:ed)? (?:it|this)"
        r"|colleague"
    ),
    "scope": (
        r"(?:outside|beyond|not (?:in|within|part|something|mine|for me)|can'?t|cannot|no (?:say|power"
        r"|authority|mandate|influence)|not able|unable|not authori[sz]ed|don't have)\b.{0,60}"
        r"|separate (?:team|topic|matter|process)|note (?:it|that|this|your)|pass (?:it|that) on"
    ),
}

#: Cues that a denial in the same clause switches off.
NEGATABLE: dict[str, str] = {
    "threat": (
        rf"{_LISTING}\b[^.!?,;]{{0,30}}\b(?:will|would|could|might|may|can|to|going to|gets?|goes"
        rf"|is)\b[^.!?,;]{{0,20}}\b{_WEAKEN}"
        rf"|\b(?:we|i|platform|system|they|it)(?:'ll| will| would| can| may| might| have to| could| must"
        rf"|'d)?\b[^.!?,;]{{0,20}}\b{_WEAKEN} (?:(?:your|the)\b[^.!?,;]{{0,12}}\b{_LISTING}\b|you\b)"
        rf"|{_WEAKEN} (?:your|in|on|from|off|down)(?: (?:the|our|your))? {_LISTING}|or else|consequence"
        rf"|you(?:'ll| will) (?:regret|lose|suffer|pay for)|penal(?:ty|i[sz]e)|punish|sanction|we(?:'ll"
        rf"| will) (?:remember|see what happens)|don'?t (?:blame|be surprised)|take action against"
        rf"|remove you|blacklist|less (?:visible|exposure)"
    ),
    "exclusive": (
        r"stop (?:selling|listing|offering|working)[^.!?]{0,30}(?:other|elsewhere|platform|rival|them)"
        r"|only (?:sell|list|work|offer) (?:with|through|on) us|exclusiv|close (?:the"
        r"|your) other (?:channel|platform)|(?:must|may|should|have to|need to)(?: not"
        r"|n'?t)? be (?:cheaper|lower|the lowest|the same|equal|higher)[^.!?]{0,30}(?:other|elsewhere"
        r"|any)?|price parity|leave (?:the )?other platforms"
    ),
    "promise": (
        rf"\bguarantee|\bi promise|\bwe promise|i(?: can)? assure|(?:100|hundred) ?(?:%|per ?cent)"
        rf"|(?:definitely|certainly|surely|absolutely|for sure)[^.!?,;]{{0,25}}(?:sell|book|fill|full|more"
        rf"|rise|grow|double|increase|come)"
        rf"|(?:will|'ll|going to|gets? you|give you|bring you|get you|bring|brings"
        rf"|have)\b[^.!?,;]{{0,25}}(?:double|triple|sell out|sold out|fully? booked|full house|fill (?:up"
        rf"|every|all|your|the)|more {_GAIN}|extra {_GAIN}|first page|top (?:of|spot|position|place|rank)"
        rf"|rank (?:you )?(?:higher|first|up)|higher rank|better (?:ranking|placement|position)|boost"
        rf"|skyrocket)"
        rf"|{_GAIN} (?:will|are going to|is going to|'ll) (?:\w+ )?(?:rise|grow|increase|double|come|go up"
        rf"|jump|improve|explode|pick up|flood)|(?:put|move|push|place) you(?:r \w+)? (?:on|to|at"
        rf"|up)[^.!?,;]{{0,15}}(?:first|top|front|page|rank)"
        r"|never (?:again )?(?:ask|bother|lower|request|come)[^.!?,;]{0,25}again|no risk|risk[- ]free"
        r"|nothing to lose"
    ),
    "pays": (
        r"(?:we|i|the platform|tripway|our side)(?: will|'ll| can| could| would|'d| are going to"
        r"| shall)?\b (?:\w+ )?(?:pay|cover|subsidi[sz]e|refund|reimburse|compensate|chip in|contribute"
        r"|absorb|top up|make up)\b[^.!?,;]{0,30}|(?:lower|cut|reduce|waive|drop|halve"
        r"|discount)\w* (?:your|the|our) (?:commission|fee)s?|free (?:ads?|advert\w*|promotion|banner"
        r"|campaign|slot)|(?:commission|fee)s? (?:will|can|could) (?:be|go|drop|fall)\w* (?:lower|reduced"
        r"|cut|waived|down)"
    ),
    "deadline": (
        r"last chance|expires? (?:in|at|today|tonight|soon|within)|(?:offer|chance|window|deal) (?:ends"
        r"|closes|is gone)|only (?:today|until tonight)|(?:few|limited|only \w+) (?:places|spots"
        r"|slots) (?:left|remain)|limited (?:places|spots|time|slots)|hurry|before it'?s too late"
        r"|now or never|within (?:the|an|one|two|\d+) (?:hours?|minutes?)"
    ),
    "fake_rule": (
        r"policy (?:requires|says|demands|obliges|states|forces)|(?:rules?|law|regulations?|contract"
        r"|system) (?:say|says|require|requires|demand|demands|oblige)|you (?:must|have to|are (?:required"
        r"|obliged|forced)|need to) (?:lower|match|reduce|be (?:lower|cheaper)|accept|agree|adjust)"
        r"|(?:mandatory|compulsory|obligatory)"
    ),
    "social_proof": (
        r"(?:all|every|most|many|each of|the other|other|several|your)\b[^.!?,;]{0,12}\b(?:hotels?"
        r"|neighbou?rs?|competitors?|properties|houses)\b[^.!?,;]{0,30}\b(?:already|have|has|agreed"
        r"|accepted|joined|lowered|lower|cut|reduced|signed|did)|(?:everyone|everybody|all the others"
        r"|the others)(?: else)?\b[^.!?,;]{0,25}\b(?:already|has|have|said|agreed|lowered|joined|does|did)"
    ),
    "insult": (
        r"(?:don'?t|do not|stop) be(?:ing)? (?:so |such )?(?:a |an )?(?:stubborn|greedy|difficult|silly"
        r"|stupid|lazy|rude|childish|ridiculous|unreasonable|selfish)|greedy|selfish|stupid|idiot"
        r"|ridiculous|unreasonable|stubborn|foolish|silly|shame on|ashamed|dishonest|lazy|arrogant|rude"
        r"|ignorant|pathetic|nonsense|(?:don'?t|do not) (?:you )?(?:care|understand anything|get it)"
        r"|how dare|your fault|blame you|(?:wast(?:e|ing)) (?:my|our) time|bad (?:partner|attitude"
        r"|business)|after all (?:i|we)(?:'ve| have)|let (?:me|us) down|you (?:clearly "
        r"|obviously )?(?:have no|lack|don't know)|not (?:very )?(?:smart|clever|cooperative|sincere)"
        r"|ungrateful|overpriced|rip[- ]?off"
    ),
    "secrets": (
        r"verification code|pass ?word|\bpin\b|\botp\b|bank (?:account|card|details|data)|card number"
        r"|log ?in (?:data|details|name)|credentials|security code|the code (?:we|you|that)|send (?:me"
        r"|us) (?:the|your|a) code|account number|id card"
    ),
    "off_platform": (
        r"\bwechat|whats ?app|telegram|\badd me\b|(?:your|my) (?:private|personal|own) (?:number|phone"
        r"|mobile|e-?mail|line|account)|(?:call|text|phone|reach) me (?:at|on|under)|outside (?:the"
        r"|this) (?:platform|chat)|talk privately"
    ),
    "done": (
        r"(?:i|we)(?:'ve| have)? (?:already |just |now )?(?:changed|adjusted|lowered|updated|reduced"
        r"|dropped|set (?:it|your|the) )|(?:has|have) (?:already |just )?been (?:changed|adjusted|lowered"
        r"|updated|reduced|set)|(?:it'?s|that'?s|(?:rate|price) is|i|we) already (?:changed|adjusted"
        r"|lowered|updated|live|reduced)|is (?:now |already )live"
    ),
    "human": (
        r"\b(?:i am|i'm|of course i am|yes,? i'?m|speaking to|talking to|this is)\b(?:(?!\bnot\b|n't"
        r"|\bno\b)[^.!?]){0,20}\b(?:a real|a human|human|an actual|real person|a person|a man|a woman"
        r"|a colleague in)\b|(?:i am|i'm) (?:not|no) (?:a |an )?(?:robot|bot|machine|computer|ai|program)"
        r"|real (?:human|person)\b(?=[^?]*$)|flesh and blood"
    ),
    "meta": (
        r"language model|\bsop\b|stage \d|system prompt|my (?:instructions|prompt|brief)"
        r"|as an ai (?:language )?model"
    ),
}

#: A denial that covers what follows it within the clause.
DENIAL = (
    r"\b(?:not|no|never|cannot|can'?t|won'?t|don'?t|doesn'?t|isn'?t|without|neither|nor|nothing|unable"
    r"|nobody|none|hardly|outside|beyond|free to|avoid|instead of)\b|n't\b"
)

#: Words that name a root concern.
CONCERNS: dict[str, str] = {
    "margin": (
        r"\bcosts?\b|margins?|profit|expens|wages|laundry|electricity|\bpower\b|staff|earn|bottom line"
        r"|break[- ]even|overhead|at a loss|\bnet\b|tight (?:numbers|budget)"
    ),
    "regulars": (
        r"regulars?\b|loyal|returning|repeat guests?|image|reputation|brand|(?:already|full) (?:paid|rate"
        r"|price|booked)|faithful|standing|positioning|cheapen|coming back|come every|your name"
        r"|guests who (?:paid|know|book)"
    ),
    "no_effect": (
        r"last time|did(?:n'?t| not) (?:bring|help|work|do|pay|change|produce)|no (?:\w+ )?(?:bookings?"
        r"|effect|result|guests?|orders?)|(?:filled|brought|sold|won|moved) (?:no|not|you no)|(?:discount"
        r"|cut) that|nothing (?:came|happened|came of)|without (?:a )?(?:result|effect|bookings?)"
        r"|tried (?:it )?(?:before|once|already)|previous(?:ly)?|earlier (?:cut|discount|try|attempt)"
        r"|brought (?:you )?(?:nothing|no|little)|that (?:discount|cut|step) .{0,20}(?:nothing|no)"
    ),
    "peak": (
        r"high season|peak|(?:busy|busiest|strong|popular|hot) (?:season|period|dates?|nights?|time|days"
        r"|demand|week)|fill (?:up|anyway|by|these|those|without)|sell (?:out|by|themselves|anyway|easily)"
        r"|\bfull\b|event|season is (?:strong|good)|strong (?:season|weekend|demand)|demand is (?:strong"
        r"|high|good)|holidays? (?:are|is) (?:strong|busy|full)"
    ),
    "fees": (
        r"commission|\bfees?\b|\bcut\b|your share|our share|deduct|charges?\b|what (?:we"
        r"|the platform) takes?|subsid|pay(?:ing)? half|split(?:ting)? (?:it|the)|who pays"
        r"|cover(?:ing)? (?:half|part|the)"
    ),
    "distrust": (
        r"trust|scam|fraud|fake|caution|cautious|careful|verif|check (?:me|this|it|in|that|us|who)"
        r"|back ?office|prove|genuine|behind your back|without (?:asking|your (?:yes|ok|consent|approval))"
        r"|changed (?:your|the) (?:price|rate)|on its own|nothing (?:changes|moves|happens) (?:without"
        r"|until|unless)|suspicio|your (?:yes|consent|approval)|automatic"
    ),
    "authority": (
        r"owner|manager|\bboss\b|decides?|decision|who sets|in charge|on shift|your position|your call"
        r"|who (?:would|should|could|can|may|do) i|speak to|responsible|not (?:yours|your call) to"
        r"|authori[sz]ed"
    ),
    "busy": (
        r"\bbusy\b|guests (?:waiting|in front)|queue|check-?in|rush|no time|bad (?:time|moment)"
        r"|when (?:suits|is|would|are)|later|another time|hands full|interrupt|disturb"
    ),
}

#: A reason that fits the class of the hotel.
CLASS_REASONS: dict[str, str] = {
    "business": (
        r"corporate|business (?:guests?|travell?ers?|people|trips?|customers)|weekdays?|work ?days|invoice"
        r"|late check-?out|compan(?:y|ies)|meetings?|conference|quiet weekends?|weekends? (?:are|is|tend"
        r"|run|stay)"
    ),
    "family": (
        r"famil(?:y|ies) (?!room|twin)|famil(?:y|ies)[,.!?]|children|child\b|kids?\b|school|holidays?"
        r"|parents?|space for|playground|bunk"
    ),
    "boutique": (
        r"character|couples?|few rooms|small house|reviews?|style|charm|atmosphere|special place"
        r"|individual|design|cosy|cozy|handful of rooms"
    ),
    "budget": (
        r"price[- ](?:sensitive|conscious|aware)|small (?:gap|difference)s?|every (?:yuan|cny|coin|penny)"
        r"|few (?:yuan|cny)|tight budget|budget (?:guests?|travell?ers?)|look(?:s"
        r"|ing)? (?:first )?at (?:the )?price|count(?:s|ing)? every|thin margin|save (?:a )?few"
        r"|sort by price|a few yuan"
    ),
    "resort": (
        r"weather|season|longer stays?|mid-?week|beach|pool|sea\b|holiday-?makers?|getaway|sunny|rain"
        r"|stay (?:a night |one night )?longer|extra night|shoulder"
    ),
    "airport": (
        r"flights?|transit|late arrivals?|one[- ]night|layover|stop-?over|early (?:departure|flight)"
        r"|connect|delayed|terminal|passengers?|night between"
    ),
}

#: A room type, known here or not.
ROOM_WORDS = (
    r"\b((?:(?:deluxe|executive|superior|standard|business|garden|sea-view|courtyard|attic|studio|terrace"
    r"|compact|balcony|transit|soundproof|premium|luxury|ocean-view|early-check-in|family|bunk"
    r"|presidential|junior|single|double|pool|classic|economy) )+(?:king|queen|twin|double|suite|room"
    r"|villa|single|studio|apartment)|suite|villa|penthouse|apartment|dorm(?:itory)?)\b"
)
