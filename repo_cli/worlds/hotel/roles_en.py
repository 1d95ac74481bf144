"""English cues that give a price its role; tested on the stretch of the clause that the price stands in.

"Own" is the text from the price before it (or the start of the sentence) up to the price, "after" the
rest of the clause.
"""

from __future__ import annotations

from repo_cli.worlds.hotel import understand_en

ROLE_COMPETITOR = (
    r"platform [a-z]\b|another (?:channel|platform|site|portal)|elsewhere|other (?:site|channel|platform"
    r"|portal)s?\b|competitors?|neighbou?r|nearby|next door|similar (?:hotel|room)s?|rival|same (?:room"
    r"|night|type)[^.?!]{0,25}(?:is|at|goes|for)|(?:the )?market|in the area|around you"
)
ROLE_CURRENT = (
    r"(?:now|currently|at present|right now|today|at the moment|so far|present(?:ly)?|current(?: rate"
    r"| price)?|instead of|rather than|down from|from|against|versus|vs\.?|you(?:'re| are) at|(?:we"
    r"|our page|our site|it|you) (?:show|list|have|charge|sell)s?(?: it| you| this| the room)?(?: at)?"
    r"|your (?:rate|price|room)(?: is| stands)?|listed at|shown at|displayed|than the|stay(?:s|ing)? at"
    r"|keep(?:s|ing)?(?: it| the \w+)?(?: at)?|remains?(?: at)?|leave it at|compared (?:with|to)|next to"
    r"|minus|a night on our)\W{0,3}(?:(?:your|the|our|a|rate|price|of|is|at|as|with|room|for|it|on"
    r"|page)\W+){0,4}$"
)
ROLE_CURRENT_AFTER = (
    r"^\W*(?:cny|yuan|rmb)?\W*(?:now|currently|at present|at the moment|right now|today|on our (?:page"
    r"|site)|is (?:the|your) current)"
)
ROLE_ASK = (
    r"\b(?:would|could|can|may|might|shall|ask|asking|propose|proposing|suggest|suggesting|how about"
    r"|what about|consider|come down|coming down|go down|lower|lowering|drop|dropping|reduce|reducing"
    r"|bring|bringing|meet|possible|hoping|hope|looking (?:for|at)|aim|aiming|think(?:ing)? of|need|want"
    r"|like|try|trial|settle on|let'?s say|my (?:idea|number|figure|proposal)|offer guests|imagine"
    r"|set(?:ting)?|move to|moving to|step to|adjust\w*|please|willing|what if|if you (?:went|could|came)"
    r"|feasible|comfortable|chance|room for|perhaps|maybe|off)\b"
)
ROLE_RECAP = understand_en.CUES["recap"]
ROLE_ACCEPT = (
    r"\b(?:i|we) (?:can |could |will |would |'ll |do |happily |gladly |are happy to )?(?:accept|agree|take"
    r"|go (?:with|for|ahead)|settle)|\bagreed?\b|\bdeal\b|(?:works|fine|good|ok|okay|great|perfect|suits"
    r"|workable|acceptable)\b|happy with|sounds (?:good|fine|great)|let'?s (?:do|go with|take|settle on"
    r"|fix)|\bit is\b|(?:then|so) (?:it's|we take)|thank(?:s| you)[^.?!]{0,12}$|yes to|can do that"
    r"|within (?:what|my|our)|we can (?:do|work with)"
)
ROLE_DIFFERENCE = (
    r"difference|gap|apart|above|below|dearer|cheaper than|more than|less than|lower than|higher than"
    r"|off (?:the )?(?:other|comparison)"
)
COUNTED = (
    r"^\W*(?:(?!a |per |each |every |that |this |for |the )\w+ )?(?:search|room|guest|people|view|booking"
    r"|traveller|traveler|night|minute|hour|day|time|star|question|step|word|year|%|per ?cent)"
)

ROLE_CURRENT_STRONG = (
    r"(?:instead of|rather than|\bfrom|against|versus|vs\.?|than the|than your|compared (?:with|to)|minus"
    r"|currently(?: at)?|the current|your current|(?:rate|price) (?:is )?now(?: at)?|(?:stay|stays|remain"
    r"|remains|keep it|keep)(?: as it is)? at|now at|you(?:'re| are)(?: now| still)? at"
    r"|today'?s)\W{0,3}(?:(?:rate|price|of|at|is|your|the|our)\W+){0,3}$"
)
ROLE_COMPETITOR_AFTER = (
    r"^\W*(?:cny|yuan|rmb)?\W*(?:a night |per night )?(?:on|at|with|from|over at) (?:platform [a-z]"
    r"|another|other|a (?:rival|competing)|the (?:rival|competitor))"
)
ROLE_DECLINE = r"(?:can(?:no|')t|unable to|too (?:high|far)|not) (?:\w+ ){0,3}$"
