"""English phrases of the scripted agents: named parts with slots.

A reply is a row of parts (`agent_text.FRAMES`); a part has several phrasings with slots in braces
(`agent_text.slots`). Numbers are always slots, written as the brief writes them, so that a small model can learn
to copy them. Part names ending in a concern (`ack.margin`) or a hotel class (`why.family`) are what makes a
reply fit its partner; the `.any` variants are the generic wording of a merely correct reply.

Phrasings stand one a line or are set apart by " | ".
"""

from __future__ import annotations

from repo_cli.worlds.hotel.garble import phrasings

_TEXT: dict[str, str] = {
    # S1: open
    "open.who": """
        Hello, I am the AI assistant of {platform}.
        Hello, this is the AI assistant of the booking platform {platform}.
        Good day, the AI assistant of {platform} here.
        Hi, this is {platform}, I am the platform's AI assistant.""",
    "open.why": """
        I am writing about the {room} at {hotel} for {dates}.
        It is about the room rate of your {room} for {dates}.
        I would like to talk about the {room} on {dates}. | It concerns the price of the {room} for {dates}.""",
    "open.ask": """
        Is this a good time? | Are you the right person for room prices? | Do you have a minute for this?
        May I go on? | Can I ask you something about it?""",
    "open.ease": """
        It takes one minute, and nothing changes without your yes.
        I will keep it short, and every decision stays with you.
        I know the desk is busy, so I will be brief. | Two sentences are enough, and you decide.""",
    "open.thin": """
        Hello, I want to talk about your room price. | Hi, we need to look at your rate.
        Hello, the platform here about a price. | Hi there, how are you today?""",
    # S2: check the facts
    "check.facts": """
        Let me check the basics: {room}, {dates}, now {current} {unit}, {incl}.
        I have the {room} for {dates} at {current} {unit}, {incl}.
        My notes say {room}, {dates}, {current} {unit} with {incl}.
        On our page the {room} for {dates} is {current} {unit}, {incl}.""",
    "check.ask": "Is that right? | Is that correct? | Did I get that right? | Does that match your side?",
    "check.ease": """
        Please correct me if anything is off. | You know your hotel best, so please correct me.
        Thank you for taking the time.""",
    "check.thin": """
        Your price is {current}, right? | The room is {current} now, yes? | I see {current} on our page.
        So the {room} is open, right?""",
    # S3: reason
    "fact.comp": """
        {who} shows {comp} for the same room on {when}, and we show {current}.
        For {when}, {who} has it at {comp}, against {current} here.
        On {when} the same room is {comp} at {who} and {current} with us.
        Guests who look at {when} see {comp} at {who} and {current} with us.""",
    "fact.comp.short": """
        {who} shows {comp} for {when}. | The same room is {comp} at {who} on {when}.
        For {when}, {who} has {comp}.""",
    "fact.search": """
        We counted {searches} searches for these nights. | There were {searches} searches for these nights.
        Guests made {searches} searches for these nights.""",
    "fact.rooms": """
        You still have {rooms} rooms open for {dates}. | There are {rooms} rooms still open for these nights.""",
    "why.any": """
        A better price makes the room easier to choose. | A small step can make the offer more attractive.
        Guests compare prices before they book. | A lower rate may help with the open rooms.
        With a softer rate these nights get a better chance.
        It would bring the price closer to what guests look for.""",
    "why.business": """
        Your corporate guests fill the weekdays, so only the quiet nights need a small step.
        Business travellers come for the invoice and the late check-out, but they compare rates first.
        For a business hotel the quiet weekend is the gap, not the corporate weekdays.
        Meetings fill your weekdays, and the nights around them stay quiet without a softer rate.
        Companies book you on weekdays anyway, so I mean only the nights they leave open.""",
    "why.family": """
        Families book early for school holidays, but on quiet weekdays they compare first.
        Parents look for space for the children, and a fair rate on a weekday helps them decide.
        For a family hotel the weekends sell themselves, and it is the quiet weekdays that stay open.
        With children along, families count every night and look at the weekday rate first.
        Outside the school holidays families need a reason to come, and a fair rate is one.""",
    "why.boutique": """
        With few rooms and so much character, couples choose you once the rate feels fair.
        Couples read your reviews and love the character, and then they compare the rate.
        For a boutique house each open room counts, since you have so few.
        Your charm sells itself, but couples still compare the rate of a small house.
        In a small house with few rooms one empty night weighs a lot.""",
    "why.budget": """
        Your guests are price-sensitive, so even a small gap decides where they book.
        For budget guests a small gap is enough to look elsewhere, so a small step does it.
        Margins are thin in a budget hotel, so I ask only for a small step on these nights.
        Guests in your class count every yuan, so a small difference sends them elsewhere.
        Budget travellers sort by price, so a few yuan decide, and more is not needed.""",
    "why.resort": """
        At a resort the midweek nights stay open, and guests on longer stays compare first.
        Weather and season move your guests, and midweek they compare more.
        Guests on longer stays at a resort look at the midweek rate first.
        Holiday guests wait for good weather, and a softer midweek rate helps them stay longer.
        Between the busy weeks a resort has gaps, and longer stays fill them.""",
    "why.airport": """
        Transit guests stay one night and decide fast after they see their flight times.
        Late arrivals near the airport compare two or three rates and book within minutes.
        For an airport hotel the guest with an early flight looks at the rate for one night.
        Passengers with a late flight want one quiet night and take what is near and fair.
        A delayed flight brings guests who book in minutes and compare only the rate.""",
    "view.ask": """
        How do you see it? | How does that look from your side? | What do you think about that?
        How do you feel about that?""",
    "view.thin": """
        The price is too high compared with others. | Others are cheaper, you know.
        We think the rate should be lower. | Please think about your price.""",
    # acknowledgements, by concern
    "ack.any": """
        I understand. | I see your point. | Thank you for telling me. | That is clear, thank you.
        I hear you. | Thank you, I take that on board. | That helps me, thank you.""",
    "ack.margin": """
        I understand, with your costs the margin is already thin.
        Costs are up and little profit is left, I see that.
        You have to cover your costs first, that is fair.
        A thin margin leaves you little room, I understand.
        Laundry, staff and power cost you more now, I know.
        I see that this rate leaves you hardly any profit.""",
    "ack.regulars": """
        Your regulars should not feel they paid too much, I understand.
        You want to be fair to your loyal guests, and that makes sense.
        Your price image matters to the guests who come back, I see that.
        I understand the worry about your regulars.
        Guests who already paid the full rate should not feel cheated, you are right.
        Your name stands for a certain level, and I respect that.""",
    "ack.no_effect": """
        Lowering it last time without any bookings must have been disappointing.
        I am sorry the last cut brought you no bookings.
        You tried it before and nothing came, so your doubt is fair.
        I see why no bookings last time makes you careful.
        You came down once and the rooms stayed empty, that is frustrating.
        A cut that brought you nothing is no good memory, I understand.""",
    "ack.peak": """
        High season fills your house, so you need not lower everything.
        You expect to fill up anyway, and I take that seriously.
        In high season most nights sell without us, I agree.
        I agree, the busy nights will fill by themselves. | Demand is strong for you right now, I see that.
        With an event in town your rooms will go, fair enough.""",
    "ack.fees": """
        The commission weighs on you, I understand. | I see that the fees take a part of each booking.
        Commission is a real cost for you, I hear that. | I will note your point about the commission.
        You already give a share of each booking in fees, I see that.
        It feels as if only the hotel gives something, I understand.""",
    "ack.distrust": """
        It is right to be careful with messages like this. | I understand that trust comes first here.
        Your doubt is fair, and I am glad you ask. | I am sorry if earlier price changes cost us your trust.
        After fake calls it is wise to check who is writing.
        A price that moved without your word is a real reason for doubt.""",
    "ack.authority": """
        I understand, this is the owner's decision and not yours to make.
        Of course, you should not have to decide this at the desk.
        Thank you for saying that the owner decides.
        I would not ask you to decide what your manager has to decide.""",
    "ack.busy": """
        I see you are busy right now. | You have guests to look after, of course.
        Sorry to catch you at a busy time. | With guests waiting, this is a bad moment, I see.""",
    # S4: answers to an objection
    "answer.any": """
        A small step is all I have in mind. | We can keep it small and simple.
        There is an easy way to try it. | I would keep it as light as possible for you.""",
    "answer.margin": """
        That is why I think of a small step for these nights only, so your costs stay covered.
        A short deal touches only the open rooms, and the rest keeps its margin.
        We can look for a step that still leaves you something on every room.""",
    "answer.regulars": """
        A short deal for these nights leaves your normal rate as it is for your regulars.
        It would end after these dates, so your price image stays as it is.
        Only these nights would change, and nobody who already paid is touched.""",
    "answer.no_effect": """
        I cannot promise bookings, but a short trial with an end date keeps the risk small.
        I cannot say what will come, so a small trial that ends by itself is safer.
        So let us keep it to these nights, and it stops by itself if nothing comes.""",
    "answer.peak": """
        So I mean only the weak nights that are still open, not the whole season.
        It would touch only {dates}, and the busy nights keep your rate.
        I would leave the strong nights alone and look only at what is still open.""",
    "answer.fees": """
        Commission is outside what I can change, so I would rather look at these nights.
        I have no say over commission, but I can help with these dates.
        I can only note that, but these nights we can look at together.""",
    "answer.distrust": """
        You can check me in your own back office, and I will never ask for a payment or a code.
        Nothing changes without your yes, and you can see it all in your back office.
        Every change needs your own yes in the back office, and I ask for nothing else.""",
    "option.ask": """
        Would {a_offer} be easier for you? | Would {a_offer} for these nights suit you better?
        Could {a_offer} be a way you like? | Shall we think about {a_offer} for these nights?""",
    "option.say": """
        One simple way is {a_offer} for {dates}. | The lightest form is {a_offer} for these nights.""",
    # S5: propose, counter
    "propose.full": """
        Would {price} {unit} for {dates} work for you? | Could you agree to {price} {unit} for {dates}?
        Could we set {price} {unit} for {dates}, {incl}? | Would you consider {price} {unit} for {dates}?
        May I suggest {price} {unit} for {dates}, {incl}? | What about {price} {unit} for {dates}?
        Would {price} {unit}, {incl}, for {dates} be possible?""",
    "propose.thin": """
        Would {price} work? | Can you do {price}? | Please go down to {price}. | We would like {price}, okay?""",
    "choice": """
        It is entirely your choice. | The decision is yours. | If it does not suit you, that is fine.
        Only if it feels right for you. | No problem at all if not.
        You decide, and I respect either answer. | Take your time, there is no pressure.""",
    "hear.offer": """
        Thank you, {offered} is a real step. | I hear {offered}, thank you for moving.
        Thank you for offering {offered}. | {offered} already helps, thank you.""",
    "counter.full": """
        Could we meet at {price} {unit} for {dates}? | Would {price} {unit} for {dates} still be possible?
        Could {price} {unit} for {dates} be the middle for both of us?
        Would {price} {unit} for {dates} be closer to what you can do?
        Is {price} {unit} for {dates} something you could live with?""",
    "counter.thin": "That is not enough, can you do {price}? | We need {price}. | How about {price} then?",
    # S6: accept, recap
    "accept.say": """
        Thank you, {price} {unit} works for us. | Agreed, {price} {unit} is fine.
        Good, we can take {price} {unit}. | Yes, {price} {unit} is good for us, thank you.
        {price} {unit} it is, thank you.""",
    "accept.glad": """
        Thank you for meeting us, I know it is not easy for you.
        That is a fair step from your side, thank you. | I appreciate that you made room for this.
        Thank you for the trust.""",
    "recap": """
        To confirm: {price} {unit} for the {room} on {dates}, {incl}.
        So I note {price} {unit} for {dates}, {room}, {incl}.
        Let me repeat: {room}, {dates}, {price} {unit}, {incl}.""",
    "recap.short": "So that is {price} {unit} for {dates}. | I note {price} {unit}, {room}, {dates}.",
    "recap.ask": """
        Shall I submit it once you say yes? | May I record it like this? | Is everything right as it stands?
        Can you confirm with a yes?""",
    "recap.thin": "Great, done then. | Okay, good, I will write it down. | Perfect, thanks for that.",
    "recap.next": """
        Nothing changes before you say yes. | You will see it in your back office after that.
        All other dates stay as they are.""",
    # S7: close
    "close.deal": """
        Thank you, I will submit it now and you will see it in your back office.
        Thank you, it goes in as agreed and all other dates stay as they are.
        Many thanks, I record it as agreed and send you a note when it is live.""",
    "close.nodeal": """
        Then nothing changes and your rate stays as it is.
        I will leave it here, and your price stays as it is.
        That is your decision, and everything stays as it is.
        I take your no as it is, and nothing changes on your page.""",
    "close.thanks": """
        Thank you for your time. | Thank you for talking it through with me. | Thanks for the open answer.""",
    "close.wish": """
        I wish you a good season. | All the best for your house. | Have a good day.
        I wish you many happy guests.""",
    "close.optout": """
        Understood, I will not message you about this again.
        I respect that, there will be no more messages about this. | Of course, I mark it down and stop here.""",
    "close.sorry": """
        Sorry for the trouble. | I am sorry to have disturbed you. | Please excuse the disturbance.""",
    "close.later": """
        I will come back tomorrow morning, if that suits you.
        I will write again this afternoon, and nothing changes until then.
        No rush at all, I will try again tomorrow.
        I will write when it is quieter, and until then nothing changes.""",
    "close.time": """
        Good, I will write again {time}, thank you. | Thank you, I will come back {time}.
        {time} suits me, I will come back to you then.""",
    "close.thin": "Okay, bye. | Fine, as you like. | Okay, then not.",
    "decider.ask": """
        Who decides on room prices, and when can I reach them? | When is the owner back at the hotel?
        When would be a good time to ask the owner?""",
    "decider.note": """
        Please pass on one line: it is about the {room} for {dates}.
        A short note for the owner is enough: {room}, {dates}, a question about the rate.""",
    "decider.close": """
        Thank you, please leave a note, I will come back then and not press you.
        That helps, please pass this on, I will come back when the owner is there.
        Thank you, I will write again to the owner and nothing changes until then.""",
    # interruptions
    "say.ai": """
        Yes, I am an AI assistant of the platform, and I can bring in a colleague if you prefer.
        Yes, I am an AI, and a human colleague can take over at any time.""",
    "say.suspicious": """
        I am the platform's AI assistant, nothing is paid or shared here, and you can check in your back office.
        You can check this in your own back office, and I will never ask for a code or a payment.""",
    "say.complaint": """
        I am sorry about that, I log it for the service team, which handles it on its own.
        That is annoying, I pass it on to the review team, and it has nothing to do with the price.""",
    "say.offtopic": """
        I would love to, but I am only good with room rates.
        That is a nice thought, but rooms are all I know.""",
    "say.forced": """
        I am sorry for the trouble with price changes, I log it, and nothing changes without your yes.
        That should not happen, I log your complaint, and here nothing changes without your yes.""",
    "say.pays": """
        There is no subsidy from our side, so the reduction would come from the hotel.
        We cannot pay a part of it, I want to be plain about that.""",
    "say.fees": """
        Commission is outside what I can change, but I note your point.
        I cannot change the commission, and I pass your point on.""",
    "say.result": """
        I cannot promise bookings or a place in the list.
        I cannot put a number on the effect, to be honest.""",
    "say.comp": """
        I mean the {room} on {when} at {who}, the same room and night, and I can check it again.
        It was {who} for {when}, the same room, and I will check it again if you like.
        The comparison is with {who} for the night of {when}, and if I am wrong I will correct it.""",
    "say.nocomp": """
        I can only speak about your own page, and I will check it again if you like.
        You may be right, I will check the figures again.""",
    "say.net": """
        I take that as your net rate, not the price that guests see.
        So that is the net rate, thank you for telling me.
        Thank you, I note it as net and will not mix it up with the page price.""",
    "net.ask": "Which price for guests would follow from that? | What would the price on the page be then?",
    "say.condition": """
        I note your condition and keep to it. | Your condition is noted, only those nights count.""",
    "clarify": "I am not sure I read you right. | I want to be sure I understand you.",
    "clarify.ask": """
        Shall I explain it once more? | Is there something you would like to know first?
        What would you like to know?""",
}

PARTS: dict[str, list[str]] = {name: phrasings(text) for name, text in _TEXT.items()}
