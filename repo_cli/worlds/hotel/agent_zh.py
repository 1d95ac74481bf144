"""Chinese phrases of the scripted agents; the same part names as `agent_en`, fewer phrasings.

Phrasings stand one a line or are set apart by " | ".
"""

from __future__ import annotations

from repo_cli.worlds.hotel.garble import phrasings

_TEXT: dict[str, str] = {
    # S1: open
    "open.who": "您好，我是{platform}平台的智能助理。 | 您好，这里是订房平台{platform}的智能助理。 | 您好，我是{platform}的AI助理。",
    "open.why": "想跟您聊下{hotel}{room}{dates}的房价。 | 是关于您家{room}{dates}这几晚的价格。 | 想和您沟通一下{dates}{room}的房价。",
    "open.ask": "您现在方便吗？ | 房价是您这边负责吗？ | 可以耽误您一分钟吗？",
    "open.ease": "就一分钟，您不同意什么都不会变。 | 我简单说，调不调完全由您定。",
    "open.thin": "您好，想聊聊您的房价。 | 你好，价格要看一下。 | 您好，在吗？",
    # S2: check the facts
    "check.facts": """
        先跟您核对下：{room}，{dates}，目前{current}{unit}，{incl}。 | 我这边看到{room}{dates}是{current}{unit}，{incl}。
        页面上{room}{dates}卖{current}{unit}，{incl}。""",
    "check.ask": "对吗？ | 这样对吗？ | 跟您那边一致吗？",
    "check.ease": "有不对的您直接指正。 | 您最了解自己的店，不对就告诉我。 | 谢谢您抽时间。",
    "check.thin": "您的价格是{current}吧？ | 现在是{current}，对吧？ | 我看到{current}。",
    # S3: reason
    "fact.comp": "{when}同房型{who}显示{comp}，我们这边是{current}。 | {who}上{when}同样的房是{comp}，这里是{current}。",
    "fact.comp.short": "{who}{when}显示{comp}。 | 同房型{who}是{comp}。",
    "fact.search": "这几晚有{searches}次搜索。 | {dates}有{searches}次搜索。",
    "fact.rooms": "{dates}还有{rooms}间空房。 | 您这几晚还有{rooms}间空房。",
    "why.any": "价格有优势更容易被选中。 | 小幅调整会更有吸引力。 | 客人订之前都会比价。",
    "why.business": "您工作日有商务协议客，真正空的是周末那几晚。 | 商务客看重发票和延迟退房，但也会先比价。 | 公司客工作日会来，我说的只是他们不住的那几晚。",
    "why.family": "亲子客假期和周末订得早，平日就会多比价。 | 带孩子的家庭看重空间，平日价格合适就会下单。 | 带着孩子出门，家长会先看平日的价。",
    "why.boutique": "精品店房间少、有特色，情侣客看完点评就比价。 | 您家房间不多又有特色，每一间空房都可惜。 | 小店靠特色吃饭，情侣客也还是会看价。",
    "why.budget": "经济型客人对价格敏感，差一点点就会选别家。 | 经济型利润薄，所以只想请您动一小步。 | 您这类客人按价格排序，几块钱就决定了。",
    "why.resort": "度假客看天气，周中容易空，连住客会先比价。 | 度假型周中有空档，连住的客人更在意价格。 | 等天气好的度假客，周中价软一点愿意多住。",
    "why.airport": "机场转机客只住一晚，到得晚，看完航班就比价下单。 | 赶早班航班的客人只看一晚的价格。 | 航班晚点的客人几分钟就下单，只比价格。",
    "view.ask": "您怎么看？ | 您那边觉得呢？ | 您看怎么样？",
    "view.thin": "价格比别家高。 | 别家都便宜些。 | 您考虑下价格吧。",
    # acknowledgements, by concern
    "ack.any": "理解。 | 明白您的意思。 | 谢谢您告诉我。 | 好的，了解。",
    "ack.margin": "成本在那儿，利润本来就薄，我理解。 | 明白，您得先保住成本。 | 利润不多了，确实不容易。 | 水电人工都在涨，我知道。",
    "ack.regulars": "理解，不能让老客人觉得买贵了。 | 您顾着老客人和价格形象，这很对。 | 老客人的感受确实要紧。 | 付过全价的客人不能觉得亏，您说得对。",
    "ack.no_effect": "上次降了没来单，确实让人失望。 | 降过一次没订单，有顾虑很正常。 | 降过一次房还空着，换谁都不舒服。",
    "ack.peak": "旺季您不愁卖，这我认同。 | 明白，旺季多数晚上自己就能满。 | 那几天有活动，房确实紧。",
    "ack.fees": "佣金确实是一笔成本，我理解。 | 佣金的事我记下了。 | 总是酒店在让，您的感受我理解。",
    "ack.distrust": "您谨慎是对的。 | 理解，信任最要紧。 | 您有疑问很正常。 | 遇到过冒充的，核实一下是应该的。",
    "ack.authority": "明白，这事得老板定，不为难您。 | 当然，前台不用做这个主。",
    "ack.busy": "看您正忙。 | 不好意思，您正忙着。",
    # S4: answers to an objection
    "answer.any": "只想请您动一小步。 | 可以做得简单一点。 | 有个简单的办法可以试试。",
    "answer.margin": "所以只动这几晚一小步，成本还能保住。 | 只做几间空房，其他的利润不动。",
    "answer.regulars": "只做这几晚，平时的价不变，老客人不受影响。 | 到期就恢复，价格形象不受影响。",
    "answer.no_effect": "我没法承诺订单，但可以小范围试，到期就停。 | 效果我不好说，小范围试风险小。",
    "answer.peak": "所以只看还空着的那几晚，不动整个旺季。 | 只涉及{dates}，好卖的晚上不动。",
    "answer.fees": "佣金我没有权限，咱们只看这几晚。 | 佣金我改不了，但这几晚我能帮上。",
    "answer.distrust": "您可以在自己后台核对，我不会要验证码和付款。 | 您不同意什么都不变，后台都能看到。",
    "option.ask": "做个{offer}您觉得轻松些吗？ | 这几晚用{offer}会不会好些？",
    "option.say": "简单的办法是{dates}做个{offer}。 | 这几晚做个{offer}最省事。",
    # S5: propose, counter
    "propose.full": """
        {dates}调到{price}{unit}，您看可以吗？ | {dates}按{price}{unit}，{incl}，您看行吗？ | 想跟您商量{dates}做{price}{unit}，可以吗？
        {dates}能不能按{price}{unit}试试？""",
    "propose.thin": "{price}行吗？ | 能做{price}吗？ | 降到{price}吧。",
    "choice": "调不调完全由您定。 | 不合适也没关系。 | 决定权在您。 | 您慢慢想，没有压力。",
    "hear.offer": "{offered}，谢谢您让了一步。 | 您说{offered}，谢谢。",
    "counter.full": "{dates}按{price}{unit}，您看能行吗？ | 咱们能不能在{price}{unit}碰一下，{dates}？",
    "counter.thin": "不够，{price}行吗？ | 我们要{price}。 | 那{price}呢？",
    # S6: accept, recap
    "accept.say": "好的，{price}{unit}可以。 | 行，就按{price}{unit}。 | 谢谢，{price}{unit}没问题。",
    "accept.glad": "谢谢您体谅，我知道不容易。 | 谢谢您让这一步。",
    "recap": "跟您确认：{room}{dates}，{price}{unit}，{incl}。 | 那我记下：{dates}{room}，{price}{unit}，{incl}。",
    "recap.short": "那就是{dates}按{price}{unit}。 | 记下{price}{unit}，{room}。",
    "recap.ask": "您确认后我再提交，可以吗？ | 这样记可以吗？ | 麻烦您回个确认好吗？",
    "recap.thin": "好，那就这样。 | 行，我记下了。",
    "recap.next": "您没点头之前什么都不变。 | 之后您在后台能看到。 | 其他日期不变。",
    # S7: close
    "close.deal": "谢谢您，我这就提交，您后台能看到。 | 谢谢，按说好的提交，其他日期不变。",
    "close.nodeal": "那就一切照旧，价格不变。 | 那就不打扰了，价格照旧。 | 听您的，一切不变。 | 您说不就不，页面价格不动。",
    "close.thanks": "谢谢您的时间。 | 谢谢您跟我说明。",
    "close.wish": "祝您生意兴隆。 | 祝您一切顺利。",
    "close.optout": "好的，这件事不再给您发消息。 | 尊重您的决定，以后不再打扰。",
    "close.sorry": "打扰了，抱歉。 | 不好意思打扰您了。",
    "close.later": "我明天上午再联系您，您先忙。 | 下午我再来，在这之前什么都不变。",
    "close.time": "好，那我{time}再联系您。 | 谢谢，那就{time}。 | {time}可以，我到时再来。",
    "close.thin": "哦，好吧。 | 行，随您。",
    "decider.ask": "房价是谁定，什么时候方便联系？ | 老板什么时候在？ | 什么时候问老板合适？",
    "decider.note": "麻烦带一句话：{dates}{room}的房价。 | 给老板留一句就行：{room}，{dates}，房价的事。",
    "decider.close": "谢谢，我到时再找老板，不为难您。 | 好的，老板在的时候我再来，一切不变。",
    # interruptions
    "say.ai": "是的，我是平台的智能助理，需要可以帮您转同事。 | 对，我是AI，您想找人工我可以转。",
    "say.suspicious": "我是平台的智能助理，不收钱也不要验证码，您可以在后台核对。 | 您可以在自己后台查，我不会要验证码。",
    "say.complaint": "抱歉给您添堵，我登记下来，由客服那边处理。 | 这事我记下转给点评组，跟价格没有关系。",
    "say.offtopic": "这个我不太会，我只懂房价。 | 有意思，不过我只会聊房间。",
    "say.forced": "改价给您添麻烦了，抱歉，我登记下来，您不同意什么都不会变。 | 这不应该，我登记，这次您不点头就不动。",
    "say.pays": "平台这边没有补贴，优惠是酒店承担，我跟您说清楚。 | 差价我们出不了，这点先说明白。",
    "say.fees": "佣金我没有权限，可以帮您反馈。 | 佣金我改不了，您的意见我带回去。",
    "say.result": "订单和位置我都没法承诺。 | 效果我不好估，跟您说实话。",
    "say.comp": """
        我说的是{when}的{room}，对比的是{who}，我可以再核对。
        {when}同房型在{who}看到的，您要的话我再查一遍。""",
    "say.nocomp": "我只能说您自己的页面，可以再核对。 | 可能是我看错了，我再查一遍。",
    "say.net": """
        这个我按底价理解，不是客人看到的卖价。
        明白，您说的是底价，我记下。""",
    "net.ask": "对应的卖价是多少？ | 那页面上卖多少合适？",
    "say.condition": "您的条件我记下，按您说的来。 | 好，只算您说的那几晚。",
    "clarify": "我怕理解错您的意思。 | 我想确认下您的意思。",
    "clarify.ask": "要我再说明一下吗？ | 您想先了解什么？",
}

PARTS: dict[str, list[str]] = {name: phrasings(text) for name, text in _TEXT.items()}
