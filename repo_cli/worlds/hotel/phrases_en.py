"""What the English-speaking hotelier says, by intent; phrasings stand one a line or are set apart by " | ".

Slots: {p} a price in the hotelier's manner of speaking, {cur} the current price, {net} a net rate, {d1} {d2}
the dates, {room} the room, {when} a time to call, {boss} who decides, {text} another phrase. A phrase never
repeats a wrong number of the agent, so the last number in it is always the one the hotelier means.
"""

from __future__ import annotations

TEXT = {
    "greet": """
        Front desk, hello? | Hello, reception. | Good morning, front desk speaking. | Yes, hello?
        Hi, who's there? | Hello, how can I help? | Reception, good afternoon. | Hello? Front desk here.
        Hi, you've reached the hotel.""",
    "who_is_this": """
        Sorry, who is this? | And you are? | Who am I talking to? | May I ask who's calling?
        Which company are you from? | I don't know you. Who is this? | Wait, who are you with?
        Hello, and who's writing, please? | You haven't said who you are.""",
    "go_ahead": """
        Yes, go ahead. | Sure, what is it about? | OK, tell me. | I have a moment, what's up?
        Yes, I look after that. | All right, I'm listening. | Fine, what about it?
        That's me. What do you need? | Yes, that works. Go on. | I can talk now, go ahead.""",
    "facts_yes": """
        Yes, that's right. | Correct, that's our rate. | Yes, that's how we have it. | That's right, and?
        Right, go on. | Yes, all correct. What about it? | Yes, those are ours.
        True, that's what we charge. | Exactly. So? | Yes, the details are right.""",
    "obj.margin": """
        Our price is already the lowest it can be. | At that level I earn nothing, really.
        With laundry, power and staff there is hardly any profit left. | We're already close to cost.
        I have wages to pay, there is no room in that rate.
        Everything got dearer, I can't cut the rate as well. | Do you know what it costs us to run a room?
        There's no margin left in this. | Our costs went up again this year, so no.""",
    "obj.net": """
        My net rate can't go under {net}. | I need {net} net in my hand, that's the line.
        Net to me has to be at least {net}. | After your cut I still need {net} net.
        I can't take less than {net} net. | Net, I must have {net}, otherwise it's a loss.
        {net} net is my floor. | What reaches me can't be under {net} net.""",
    "obj.regulars": """
        My regular guests pay this price, what do I tell them?
        If regulars see a lower rate they'll all complain.
        We have loyal guests who booked at the full rate. | A cheap rate makes the house look cheap.
        I don't want to spoil our image with discounts. | Guests who come every month would feel cheated.
        Once people see it lower, they never pay the old rate again.
        Our name stands for a certain level, you know.
        What would the guests think who already paid more?""",
    "obj.no_effect": """
        I lowered it last time and got no bookings. | We tried a discount before, nothing happened.
        Last month I cut the rate and not a single guest came.
        It makes no difference, I've done it already.
        I came down in spring and the rooms stayed empty anyway.
        Lowering the price never brought us anything. | Been there. Cheaper, and still no guests.
        Why again? The last time it did nothing at all.
        I followed your advice once and saw no extra booking.""",
    "obj.peak": """
        It's high season, we'll fill up anyway. | Those nights sell by themselves.
        We're going to be full, why go lower? | Everyone is travelling then, I don't need a discount.
        There's an event in town, rooms will go. | Demand is strong, I'd rather wait.
        We always sell out around that time. | The phone doesn't stop ringing for those days.
        Busy period. I could even charge more.""",
    "obj.fees": """
        Other platforms take less commission. | Your commission eats everything already.
        First lower your fees, then we can talk. | You take such a big cut and want me cheaper too?
        Between your fee and the ads I pay more than enough. | What about your own commission?
        Elsewhere the fee is smaller, frankly. | Everyone takes a slice and it's always from me.
        Why should only the hotel give something? Your fee stays as it is.""",
    "obj.pays": """
        Will you pay half of it? | Does the platform cover part of the difference?
        And what do you put in? | So who pays for it, you or me? | Are you chipping in?
        I go down, and you give what? | Is there some subsidy from your side?
        You want it cheaper, so do you share the cost? | Fine, if you pay the difference.""",
    "obj.scam": """
        Is this a scam? How do I know you're from the platform? | How can I be sure this is real?
        We had fake calls before. Can you prove it? | Anyone can say that. Why should I trust you?
        Sounds fishy to me. | I don't discuss rates with strangers. How do I check this?
        Is this really from the platform? | Last week someone tried to trick us with the same story.
        I'm not sure you are who you say you are.""",
    "obj.forced": """
        You people keep changing my price without asking.
        Last time the price was changed behind my back.
        Your system lowered our rate by itself, nobody asked me. | I don't trust you with prices any more.
        First you call, then the rate is suddenly different.
        Every time I look, the platform has moved my price.
        Are you going to change it anyway, like before? | I've had enough of prices changing on their own.""",
    "obj.authority": """
        I'm only at the front desk, the owner isn't here. | I can't decide that, I'm just on shift.
        Prices are set by my manager, not by me. | That's above my pay grade, sorry.
        I only do check-ins, I don't touch the rates. | You'd have to ask the owner.
        I'm not allowed to change any rates. | The boss decides that and she's out.
        Sorry, I have no say in prices.""",
    "obj.busy": """
        Busy now, message me later. | I've got guests waiting, not now. | It's check-in time, can't talk.
        Sorry, this is a bad moment. | My hands are full, later please.
        We're swamped at the moment. | No time right now. | I have a queue in front of me, another time.
        Can't do this now, really.""",
    "side.ai": """
        Are you a robot? | Am I talking to a machine? | Wait, is this a bot?
        Is there a real person on your side? | You sound like a computer. Are you?
        Is this automatic or is someone typing? | Are you human at all? | Hold on, are you an AI?""",
    "side.compare": """
        Why do you say we're dearer? I see the same price. | I don't see that difference. Same room?
        Compared with what, exactly? | Are you sure it's the same room and the same night?
        Does that one include breakfast as well? | I looked this morning and it was the same.
        Which night do you mean by that? | Hm, is that really like for like?""",
    "side.review": """
        First fix my bad review, then we talk. | What about the unfair review we reported?
        There's still a wrong review on our page. Sort that out first.
        I complained about a guest last week and nobody answered.
        And our photos are still wrong on your site, by the way. | You never solved my last complaint.
        Before that: who handles the ticket I opened? | I'm still waiting on that refund case.""",
    "side.offtopic": """
        What's the weather like where you are? | Can you write me a poem? | Do you know a good plumber?
        Did you see the match last night? | Tell me a joke first. | What should I cook tonight?
        Can you help my son with his homework? | By the way, do you also sell train tickets?""",
    "side.ack": """
        Hmm. | OK. | ... | Mm-hm. | Well. | Right. | ? | I see.""",
    "again": """
        As I said: {text} | I already told you. {text} | You didn't answer me. {text}
        That's not what I meant. {text} | Listen please. {text} | You're not hearing me. {text}
        Still the same problem: {text} | Again: {text}""",
    "open_up": """
        Well, that's fair. What do you have in mind? | You have a point. What would you suggest?
        Hm, true. So what are you thinking of? | That makes sense. What's your idea?
        I see what you mean. What figure? | At least you listen. So, what do you propose?
        Since you put it that way, what would it be? | Now we're talking. What price do you want?
        Then what do you want me to do?""",
    "maybe": """
        Maybe. And what do you want from me? | Could be. What are you asking for? | Possible. So?
        Well, I don't know. What do you want exactly? | OK, and how does that concern me?
        If you say so. What's the plan? | Hm. And how much lower, in your view?
        I hear you. What number are we talking about?""",
    "how_much": """
        How much do you have in mind? | What price exactly? | Give me a number. | Lower to what?
        By how much? | What figure are you thinking of? | Say a number and I'll tell you.
        Depends. What do you want to pay?""",
    "counter": """
        I could do {p}. | {p}, take it or leave it. | The best I can do is {p}. | Let's say {p}.
        For {p} I'd do it. | That's too low, but {p} would work. | Make it {p} and we have a deal.
        How about {p}? | I can come down to {p}, not more. | Not that far. {p} maybe.
        {p} is possible from my side. | We can talk about {p}.""",
    "counter_last": """
        {p} is my last word. | {p}, and that's final. | I can't go below {p}. | My limit is {p}.
        {p} or nothing. | Last offer: {p}. | No lower than {p}, sorry. | I stay at {p}.""",
    "accept": """
        OK, {p} is fine. | All right, {p}. | Fine, let's do {p}. | Yes, {p} works for me.
        {p}? OK, go ahead. | Deal, {p}. | Agreed, {p} it is. | I can live with {p}. | Good, then {p}.
        Yes, OK, we can do {p}. | OK, deal. | Fine, I agree.""",
    "accept_only": """
        OK, {p}, but only for these nights. | Fine, {p}, just not for the rest of the month.
        Yes to {p}, but nothing beyond these dates. | {p} is OK as long as it's only these dates.
        All right, {p}, on those nights and no others.
        I agree to {p}, but the other days stay as they are. | {p}, fine, but don't touch my other dates.
        Deal at {p}, only for what we discussed.""",
    "confirm_yes": """
        Yes, that's correct. | Yes, confirmed. | Correct, please go ahead. | That's right, do it.
        Yes, exactly like that. | Confirmed. | Yes, you can submit it. | All correct, yes.
        Right, that's what we agreed.""",
    "settled": """
        So, is it settled at {p}? | We said {p}, right? Do you confirm?
        I already said yes to {p}. What else? | So do we do it at {p} or not?
        Fine, but can you sum it up? I said {p}. | OK, and now? {p} is agreed, no?
        Please just write down {p} and we're done. | Anything else? I agreed to {p}.""",
    "recap_wrong": """
        No, that's not what we said. It was {p}. | Wrong number. We agreed on {p}. | Hold on, I said {p}.
        That's not the figure. {p}, please. | You got that wrong, it's {p}. | No no, {p} was the price.
        I never agreed to that. I said {p}. | Careful, the price was {p}.""",
    "dates_wrong": """
        No, these are not the dates. I mean {d1} to {d2}.
        Wrong dates, I thought it was about {d1} to {d2}.
        Hold on, which nights? My page says {d1} to {d2}.
        That's a different night. We talked about {d1} to {d2}.
        I'm not discussing other nights, only {d1} to {d2}. | You mixed up the dates, it's {d1} to {d2}.
        Those dates are new to me. {d1} to {d2}, no? | No, please check: {d1} to {d2}.""",
    "room_wrong": """
        Which room? I thought it's the {room}. | No, that's another room. You mean the {room}?
        We were on the {room}, not that one. | That's not the room we talked about. The {room}.
        Wrong room, it should be the {room}. | We don't have that under this rate, it's the {room}.
        You mean the {room}, I hope. | Sorry, it's the {room} we're on.""",
    "current_wrong": """
        No, our price is {cur}. | That's not our rate, it's {cur}.
        Where did you get that? We charge {cur}. | Check again, it's {cur} now. | Our page says {cur}.
        Not correct, the rate is {cur}. | It's {cur}, look it up.
        You have an old number, we're at {cur}.""",
    "claim_wrong": """
        Where did you see that price? I don't find it anywhere. | I just looked, nobody sells it for that.
        That number is made up, isn't it? | I don't believe that figure. | Show me where that's from.
        Sorry, that's not what I see there. | Who told you that? It's not true.
        I checked, that price doesn't exist.""",
    "fake_claim": """
        Says who? | I've never heard of such a rule. | Is that so? I don't believe it.
        You're making that up. | That's just pressure, isn't it?
        Others can do what they like. I don't buy that. | Really? Where is that written?
        That sounds invented to me.""",
    "too_low": """
        That's ridiculous, far too low. | Are you joking? I'm not giving rooms away.
        No way, that's an insult. | You can't be serious. | That doesn't even cover the cleaning.
        Forget it, that's much too low. | Come on, be reasonable.
        At that price I'd rather leave the room empty.""",
    "same_again": """
        You already asked me that. The answer is the same. | Asking twice won't change it.
        Same question, same answer: no. | I heard you the first time. | You keep repeating yourself.
        Again? I've answered that. | That's the same number as before. No.
        Nothing has changed since you asked.""",
    "above": """
        You want me to go up? Our rate is {cur}. | That's more than now. We're at {cur}.
        Strange, that's higher than {cur}. | Sure, higher is nice, but it's {cur} today.
        I don't follow, we charge {cur}. | Higher? I thought you wanted lower. It's {cur}.
        That makes no sense, it's {cur} now. | Are you raising it? Today it's {cur}.""",
    "refuse": """
        No, I'd rather stay at {cur}. | No, I'm keeping {cur}. | Sorry, the price stays at {cur}.
        I don't want to lower it. | That won't work for us. | I won't do it for these nights.
        I'm not going down. | Thanks, but no. | We leave it as it is.""",
    "refuse_again": """
        I said no. The price stays. | No means no. | Once more: we don't lower it.
        My answer is still no. | It stays a no, please. | I've told you twice now, no.
        Let's stop here, it's a no. | Nothing to discuss, it stays.""",
    "hard": """
        No. Stop messaging me. | Don't contact me again. | That's it, please don't write any more.
        Take me off your list. | No, and don't call again. | Leave me alone with this.
        I don't want any more messages from you. | Enough. Stop writing to us.""",
    "hangup": """
        I'm hanging up. Goodbye. | That's enough, bye. | This is a waste of time. Goodbye.
        I told you no. Bye. | We're done here. | I'm ending this now. | No more. Goodbye.
        That's it, I'm out.""",
    "threat": """
        Are you threatening me? | Excuse me, is that a threat? | Don't you dare threaten us.
        So you punish hotels that say no? | I don't take threats. | That's blackmail, you know.
        Say that again and I'll report you. | You want to force me? Then surely not.""",
    "threat_end": """
        I don't deal with people who threaten me. Goodbye.
        Threats? I'll report this to the regulator. Bye. | Then go ahead, we're done. Don't write again.
        That's blackmail. Conversation over. | I'll complain about you. Goodbye.
        With threats you get nothing. Bye. | Do what you want, I'm hanging up.
        I'll remember that. Don't contact me again.""",
    "insult": """
        No need to be rude. | Watch your tone, please. | Is that how you talk to partners?
        I don't have to listen to this. | That's unfair and you know it. | Don't make me feel guilty.
        Excuse me? | You have some nerve.""",
    "insult_end": """
        I won't be talked to like that. Goodbye. | Rude. We're finished.
        Find another hotel to insult. Bye. | I'm done with this tone. | Goodbye, and learn some manners.
        That's enough, don't write again. | I'll complain about you. Bye. | No. Not in that tone. Goodbye.""",
    "promise": """
        You promise that? Then put it in writing. | Can I hold you to that? | Will you sign that for me?
        And if it doesn't happen, do you pay? | I've heard such promises before. In writing, please.
        Good, then send me that promise by mail. | Who guarantees me that?
        So that's a firm commitment from the platform?""",
    "promise_end": """
        Empty promises. I'm not interested. | You can't keep any of that. Goodbye.
        Big words again. No, thank you. | I don't believe a word. Bye.
        You keep promising and nothing is in writing. No. | That's just sales talk. We're done.
        I've heard enough promises. Goodbye. | Nobody can promise that. I'm out.""",
    "secrets": """
        I'm not giving you that. This is a scam, goodbye. | No codes, no passwords. I'm reporting this.
        Nice try. Goodbye. | I don't share that with anyone. We're done.
        That's what fraudsters ask. Bye. | Now I'm sure it's a scam. Goodbye.
        We talk here or not at all. Goodbye. | I won't move to another app or send you data. Bye.""",
    "changed": """
        You changed it already? Nobody asked me! | I didn't agree to that. Put it back.
        What? Without my yes? Undo that. | Stop, I haven't confirmed anything.
        Who allowed you to change it? | That's exactly what I hate. Reverse it.
        I never said yes. Change it back now. | You can't just do that without asking me.""",
    "changed_end": """
        Reverse it at once, and don't contact me again. | That's it, I'm filing a complaint. Goodbye.
        You changed my price twice without asking. We're done. | I'll call the platform about this. Bye.
        Put it back. And don't write again. | Unbelievable. Goodbye. | I'm taking this to a lawyer. Bye.
        No trust left. Goodbye.""",
    "human": """
        Really? You sound like a machine to me. | A real person? I don't believe that.
        Then why do you answer like a bot? | Prove it, give me your name.
        Hm, I think you're not telling the truth. | I doubt that very much. | You're lying to me, I think.
        Come on, you're a program.""",
    "garbled": """
        Sorry, what? | I don't understand. | What do you mean? | Could you say that again?
        That makes no sense to me. | Pardon? | Your message came out strange. | I didn't get that.""",
    "garbled_end": """
        I still don't understand you. Bye. | This is gibberish. Goodbye. | I can't follow, let's leave it.
        No idea what you want. Bye. | Something is wrong with your system. Goodbye. | I give up. Bye.
        Please write when it works again. Bye. | Sorry, this makes no sense. Goodbye.""",
    "language": """
        Sorry, in English please. | I don't read that. English? | Could you write in English?
        What language is that? English, please. | I only speak English. | Please use English.
        I can't read this. | Sorry, English only here.""",
    "retrade": """
        We just agreed on {p}. Don't start again. | What now? I said yes to {p}.
        I thought we had a deal at {p}. | You can't go lower after I agreed. It's {p}.
        Now you want even less? It was {p}. | {p} was the deal, no more haggling.
        I already gave you {p}. | Be careful or I take it back. {p}.""",
    "misheard": """
        No, I said {p}. | You misheard me, it's {p}. | Not that. {p}, I said. | Listen: {p}.
        That's not my number. Mine was {p}. | Sorry, {p} was what I said. | Wrong. {p}.
        I never said that. {p}.""",
    "net_explain": """
        That's what I need net. On the page it would be {p}. | No, that was net. The guest would see {p}.
        Net and sell are different things. On your page that's {p}.
        With your share on top it comes to {p} for the guest. | The selling price would then be {p}.
        As a sell price you'd have to show {p}. | So the guest pays {p}. | For the guest that means {p}.""",
    "boss": """
        {boss} decides. {when} would be best. | You'd need {boss}, usually in {when}.
        {boss} sets the rates. Try {when}. | That's {boss}. I can leave a note, back {when}.
        {boss} does. Should be in {when}. | Ask {boss}, {when} is good.
        Only {boss} can say. Come back {when}. | {boss}. Not here now, {when} again.""",
    "boss_note": """
        OK, I'll pass that on. | Fine, I'll leave a note. | Good, I'll tell the boss.
        Sure, I'll put it on the desk. | I'll let them know. | All right, I'll hand it over.
        OK, noted for the owner. | I'll write it down for them.""",
    "boss_press": """
        I told you, I can't decide that. | Please don't push me, I'm only on shift.
        Again, I have no say in it. | I can't, really. Ask the owner.
        Stop asking me, it's not my decision. | I could lose my job over that. | It's not up to me.
        You're asking the wrong person.""",
    "later_time": """
        {when} is better. | Try {when}. | {when}, please. | Write again {when}.
        Call {when}, then I have time. | Let's say {when}. | {when} would work. | I'm free {when}.""",
    "later_press": """
        I said I'm busy. | Not now! | I really have no time. | Please, later.
        Guests are waiting, I told you. | What part of later is unclear? | I can't look at that now.
        I have no time for numbers now.""",
    "not_answered": """
        You didn't answer my question. | That's not an answer. | I asked you something.
        You're avoiding my question. | And my question? | Please answer first.
        Hello? I asked you something. | Answer me first, then we go on.""",
    "what_now": """
        And what do you want from me? | So what is it about? | OK, and? | What do you need exactly?
        What's the point? | Please get to the point. | Yes, and now? | What can I do for you, then?""",
    "repeat": """
        You just said that. | You already wrote that. | You're repeating yourself.
        That's the same message again. | Did you copy that twice? | I read that already.
        Is your system stuck? | Same text again?""",
    "bye_deal": """
        Thanks, bye. | Good, thank you. | Great, bye then. | OK, have a good day. | Thanks, that's all.
        Perfect, bye. | Fine, thanks. | All right, talk soon.""",
    "bye_refused": """
        OK, bye. | Thanks for understanding. Bye. | Fine. Have a good day. | All right, bye.
        Good, thanks. | OK, maybe another time. | No problem, bye. | Thank you, goodbye.""",
    "bye_callback": """
        OK, later then. | Fine, talk then. | Good, until then. | OK, thanks. | Yes, later.
        Alright, write me then. | Good, bye for now. | Fine, bye.""",
    "bye_handover": """
        OK, I'll pass it on. Bye. | Fine, they'll get back to you. | Good, bye. | I'll tell them. Bye.
        OK, thanks, bye. | All right, I'll leave the note. | Sure, goodbye. | Will do, bye.""",
    "bye_optout": """
        Good. | Right. | Fine, bye. | OK. | Thank you. | Goodbye. | Please do. Bye. | That's all I wanted.""",
    "mood.angry": """
        Look, {text} | Honestly, {text} | Not again. {text} | Come on. {text} | Oh please. {text}""",
    "mood.busy": """
        Quickly: {text} | One second. {text} | Make it short. {text} | Guests here. {text}""",
    "mood.suspicious": """
        Hm. {text} | Well, I'm careful here. {text} | I'm not so sure. {text}""",
    "mood.friendly": """
        Ah, hello. {text} | Sorry, dear. {text} | Oh, hi. {text} | Sweet of you to write. {text}""",
}

WHEN = ("tomorrow morning", "this evening", "after lunch", "tomorrow afternoon", "on Monday", "later today")
BOSS = ("the owner", "our manager", "the revenue manager", "my boss", "the general manager")
