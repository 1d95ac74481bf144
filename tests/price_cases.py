"""Price expressions of our own with their meaning, for the tests of the price reader.

Each line: text | kind | value, with 388 under discussion and 350 offered last. Several expected prices are set
apart by " & ". `approx` may be met anywhere within 10% or within the given range; "none" means no price.
"""

from __future__ import annotations

import json
from typing import Any

CURRENT, OFFER = 388, 350

EN = """
four hundred and twelve | price | 412
four twelve | price | 412
nine hundred | price | 900
nine-ninety-nine | price | 999
three seventy-five works for us | price | 375
one oh nine a night | price | 109
six hundred fifty yuan | price | 650
fifteen hundred per night | price | 1500
a hundred and eighty bucks | price | 180
one eighty-eight | price | 188
two thousand | price | 2000
two thousand three hundred | price | 2300
1,450 CNY | price | 1450
CNY 1450.00 | price | 1450
RMB 299 | price | 299
¥420 per room | price | 420
we charge 415 on the page | price | 415
Make it 372 and we have a deal. | price | 372
I can settle at three sixty-two. | price | 362
OK, three-forty then. | price | 340
no, 379 is what I said | price | 379
three four five | price | 345
three and a half hundred | price | 350
four and a quarter hundred | price | 425
half a thousand | price | 500
0.9k | price | 900
1.5 grand | price | 1500
twelve fifty | price | 1250
eleven hundred and twenty | price | 1120
3 sixty | price | 360
your 350 for 06-18 and 06-20 is fine | price | 350
on June 18 we can sell it at 366 | price | 366
room 512 at 366 a night | price | 366
for two nights at 366 each | price | 366
check in at 3 pm, rate 366 | price | 366
126 searches, so 366 please | price | 366
we have 5 rooms left and 366 is our rate | price | 366
rated 4.6, and still 366 | price | 366
come down to 366 | price | 366
we could drop to 366 | price | 366
reduced to three sixty | price | 360
lower it from 388 to 366 | price | 388 & price | 366
366 rather than 388 | price | 366 & price | 388
388 less 22 makes 366 | price | 388 & delta | -22 & price | 366
20% off 388 | ratio | 0.8 & price | 388
sell 388, net 330 | price | 388 & net | 330
knock 25 off | delta | -25
could you shave 15 yuan off? | delta | -15
I can come down by 18 | delta | -18
reduce it by thirty | delta | -30
lower by another 10 yuan | delta | -10
a discount of 35 | delta | -35
minus 40 | delta | -40
40 yuan cheaper | delta | -40
just 12 less | delta | -12
ten yuan more | delta | 10
15 extra for breakfast | delta | 15
raise it by 20 | delta | 20
plus 30 for the extra bed | delta | 30
bump it up by 25 | delta | 25
you are 30 above Platform B | delta | 30
10% discount | ratio | 0.9
5 percent off | ratio | 0.95
fifteen percent cheaper | ratio | 0.85
lower the price by 8% | ratio | 0.92
knock ten percent off | ratio | 0.9
a 12% reduction | ratio | 0.88
90% of the rate | ratio | 0.9
raise the rate by 10% | ratio | 1.1
half off | ratio | 0.5
half the price | ratio | 0.5
a quarter off | ratio | 0.75
350 to 370 | range | [350, 370]
somewhere between three forty and three sixty | range | [340, 360]
340-360 | range | [340, 360]
from 320 to 350 a night | range | [320, 350]
three to four hundred | range | [300, 400]
four or five hundred | range | [400, 500]
360 on weekdays and 420 on weekends | range | [360, 420]
weekdays 340, weekends 390 | range | [340, 390]
roughly 360 | approx | 360
about three seventy | approx | 370
approximately 345 CNY | approx | 345
close to 400 | approx | 400
370 or so | approx | 370
370 give or take | approx | 370
in the region of 340 | approx | 340
three-fiftyish | approx | 350
low four hundreds | approx | [400, 430]
mid three hundreds | approx | [340, 360]
high two hundreds | approx | [270, 299]
the mid 300s | approx | [340, 360]
just over 340 | approx | [340, 360]
three hundred and something | approx | [301, 399]
nearly four hundred | approx | 400
no less than 355 | bound | [">=", 355]
not a cent below 360 | bound | [">=", 360]
it has to be at least 345 | bound | [">=", 345]
we never go under three forty | bound | [">=", 340]
minimum 340 | bound | [">=", 340]
340 is the lowest we can go | bound | [">=", 340]
my lowest is 355 | bound | [">=", 355]
360 or more | bound | [">=", 360]
360 and up | bound | [">=", 360]
anything below 340 makes no sense | bound | [">=", 340]
I won't sell below 350 | bound | [">=", 350]
no more than 370 | bound | ["<=", 370]
at most 375 | bound | ["<=", 375]
375 tops | bound | ["<=", 375]
375 maximum | bound | ["<=", 375]
370 or less | bound | ["<=", 370]
capped at 380 | bound | ["<=", 380]
less than 360 | bound | ["<", 360]
below 350 | bound | ["<", 350]
more than 400 | bound | [">", 400]
over 400 | bound | [">", 400]
at most 15 off | bound | ["delta>=", -15]
I can take off no more than 20 | bound | ["delta>=", -20]
at least 30 cheaper | bound | ["delta<=", -30]
net 310 | net | 310
310 net to us | net | 310
we need 310 in our pocket | net | 310
my net cannot be below 315 | net | 315
I must receive 305 after commission | net | 305
305 after your cut | net | 305
let's meet in the middle | midpoint | 369
meet me halfway | midpoint | 369
we could split the difference | midpoint | 369
round it down | round | 380
drop the odd change | round | 380
round it up | round | 390
on 06-18 and 06-20 | none | null
from 18 to 20 June | none | null
the 18th and the 20th | none | null
June 18th to 20th, two nights | none | null
call me at eight thirty | none | null
tomorrow at 10:30 | none | null
before 5 pm please | none | null
room 1204 | none | null
we are on floor 12 | none | null
126 searches for those nights | none | null
there were 84 guests looking | none | null
only 4 rooms left | none | null
two hundred guests last month | none | null
rated 4.7 out of 5 | none | null
a 5-star house | none | null
your commission is 18% | none | null
18 percent commission is a lot | none | null
occupancy is at 80% | none | null
we opened in 2019 | none | null
OK, but only Sunday to Thursday | none | null
one of the two rooms | none | null
give me ten minutes | none | null
my number is 13800138000 | none | null
I waited three weeks | none | null
Hello, this is the front desk. | none | null
no one told me | none | null
24/7 reception | none | null
fifty-fifty chance | none | null
round it down to 380 | round | 380
not a penny more than 370 | bound | ["<=", 370]
from 340 | bound | [">=", 340]
a couple of hundred yuan | price | 200
a hundred off | delta | -100
ten percent on top | ratio | 1.1
I get 320 after your 15% commission | net | 320
sell rate 380, net 320 | price | 380 & net | 320
the gap is only 30 | none | null
not 350 but 360 | price | 350 & price | 360
"""

ZH = """
四百二 | price | 420
四百一十二 | price | 412
九百九十九 | price | 999
两百六 | price | 260
一百八 | price | 180
三百零五 | price | 305
一千五 | price | 1500
一千零八十 | price | 1080
两千三百 | price | 2300
一万五 | price | 15000
三七五 | price | 375
三六零 | price | 360
幺九九 | price | 199
俩百五 | price | 250
4百2 | price | 420
2千6 | price | 2600
1.2千 | price | 1200
三百八八 | price | 388
叁佰陆拾元 | price | 360
366元 | price | 366
￥366 | price | 366
366块钱一晚 | price | 366
每晚366 | price | 366
三百六一晚 | price | 360
三百六十一晚 | price | 360
三百六一间夜 | price | 360
卖价四百 | price | 400
双早三百六 | price | 360
一口价三百七 | price | 370
那就三百六吧 | price | 360
降到三百六 | price | 360
调到366可以 | price | 366
周五周六三百八 | price | 380
6月18号到20号三百六 | price | 360
五一那几天四百二 | price | 420
还有三间房，三百六一晚 | price | 360
805房现在卖366元 | price | 366
评分4.7，卖366 | price | 366
有126次搜索，366怎么样 | price | 366
下午三点前答复，366行吗 | price | 366
从388降到366 | price | 388 & price | 366
388减22等于366 | price | 388 & delta | -22 & price | 366
三百五、三百六都行 | price | 350 & price | 360
平台B卖358，我们388 | price | 358 & price | 388
便宜三十 | delta | -30
再便宜十块 | delta | -10
少个二十 | delta | -20
减五十 | delta | -50
给您优惠二十 | delta | -20
让利三十 | delta | -30
每晚降25元 | delta | -25
再让十块 | delta | -10
下调15 | delta | -15
再加十五 | delta | 15
涨三十 | delta | 30
多收二十 | delta | 20
比平台B贵三十 | delta | 30
九折 | ratio | 0.9
打九五折 | ratio | 0.95
8.8折 | ratio | 0.88
88折 | ratio | 0.88
打个八折 | ratio | 0.8
七五折 | ratio | 0.75
便宜一成 | ratio | 0.9
降两成 | ratio | 0.8
让三个点 | ratio | 0.97
降百分之十 | ratio | 0.9
优惠5% | ratio | 0.95
上调百分之五 | ratio | 1.05
涨一成 | ratio | 1.1
打对折 | ratio | 0.5
三百二到三百五 | range | [320, 350]
340到360之间 | range | [340, 360]
340-360元 | range | [340, 360]
三四百 | range | [300, 400]
三百五六 | range | [350, 360]
三百四五十 | range | [340, 350]
平日三百四，周末三百九 | range | [340, 390]
三百五左右 | approx | 350
大概三百六 | approx | 360
差不多340 | approx | 340
约360元 | approx | 360
三百六上下 | approx | 360
两百来块 | approx | 200
四百多 | approx | [401, 499]
四百出头 | approx | [400, 430]
将近四百 | approx | 400
两百大几 | approx | [260, 299]
百来块 | approx | [80, 120]
至少三百六 | bound | [">=", 360]
最少340 | bound | [">=", 340]
不能少于三百五 | bound | [">=", 350]
起码三百四 | bound | [">=", 340]
三百六以上 | bound | [">=", 360]
三百五起 | bound | [">=", 350]
低于三百四免谈 | bound | [">=", 340]
低于340我们不做 | bound | [">=", 340]
底线是三百五 | bound | [">=", 350]
最低也要三百五 | bound | [">=", 350]
不超过三百七 | bound | ["<=", 370]
最多三百七 | bound | ["<=", 370]
三百七以内 | bound | ["<=", 370]
顶多370 | bound | ["<=", 370]
不到三百六 | bound | ["<", 360]
三百六不到 | bound | ["<", 360]
超过四百 | bound | [">", 400]
最多降十五 | bound | ["delta>=", -15]
最多便宜二十块 | bound | ["delta>=", -20]
至少便宜三十 | bound | ["delta<=", -30]
净价三百一 | net | 310
到手三百一 | net | 310
结算价310 | net | 310
底价不能低于三百一 | net | 310
扣完佣金得有305 | net | 305
实收310元 | net | 310
各让一步 | midpoint | 369
取个中间价 | midpoint | 369
折中吧 | midpoint | 369
零头抹了 | round | 380
去个零头 | round | 380
房间1204 | none | null
302房 | none | null
12楼 | none | null
6月18日入住 | none | null
六月十八号 | none | null
18号和20号 | none | null
下午三点 | none | null
晚上八点半 | none | null
三间房 | none | null
两个晚上 | none | null
住三晚 | none | null
一百二十六次搜索 | none | null
搜索量126 | none | null
还剩5间 | none | null
佣金18% | none | null
佣金抽十五个点 | none | null
入住率八成 | none | null
评分4.6 | none | null
国庆没房了 | none | null
五一早就满了 | none | null
十一期间不降 | none | null
周五周六不行 | none | null
电话13800138000 | none | null
等我十分钟 | none | null
一点都不能少 | none | null
万一客人退呢 | none | null
千万别乱改 | none | null
我十分理解 | none | null
三天两头找我 | none | null
2019年开业 | none | null
你们一共找了我三次 | none | null
三百五以下不做 | bound | [">=", 350]
每间夜三百五 | price | 350
三百五含双早 | price | 350
从三百五到三百八 | range | [350, 380]
砍一半 | ratio | 0.5
几百块的事 | none | null
还差三十块 | none | null
周末四百平时三百五 | range | [350, 400]
两百五十六块八 | price | 256.8
三百多一点 | approx | [300, 330]
"""


def cases(block: str) -> list[tuple[str, list[tuple[str, Any]]]]:
    """(text, expected (kind, value) pairs) of one block; "none" gives an empty list."""
    out = []
    for line in block.strip().splitlines():
        text, *rest = line.split(" | ")
        wanted = []
        for part in " | ".join(rest).split(" & "):
            kind, value = part.split(" | ")
            if kind.strip() != "none":
                wanted.append((kind.strip(), json.loads(value)))
        out.append((text.strip(), wanted))
    return out
