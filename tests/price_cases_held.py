"""A second set of price expressions in the form of price_cases.py, written without trying them on the reader."""

EN = """
let's call it three sixty | price | 360
I'd say about four hundred | approx | 400
could do three eighty-five if you take both nights | price | 385
nothing under three seventy | bound | [">=", 370]
not a cent below 365 | bound | [">=", 365]
at least three fifty-five | bound | [">=", 355]
no more than 340 | bound | ["<=", 340]
max 360 | bound | ["<=", 360]
under four hundred | bound | ["<", 400]
somewhere between 350 and 365 | range | [350, 365]
three forty to three sixty | range | [340, 360]
from 360 up to 380 | range | [360, 380]
around three seventy-five | approx | 375
roughly 360 yuan | approx | 360
three hundred something | approx | [300, 399]
low three hundreds | approx | [300, 340]
high three hundreds | approx | [360, 399]
knock fifteen off | delta | -15
take off another 20 yuan | delta | -20
forty less than now | delta | -40
ten yuan cheaper | delta | -10
drop it by twenty-five | delta | -25
add thirty for breakfast | delta | 30
15 percent off | ratio | 0.85
a twenty percent discount | ratio | 0.8
five percent less | ratio | 0.95
half price | ratio | 0.5
split the difference | midpoint | 369
meet me halfway | midpoint | 369
let's meet in the middle | midpoint | 369
round it down | round | 380
my net must be 320 | net | 320
we need 330 net | net | 330
320 after commission | net | 320
1.2k for the stay | price | 1200
a grand for three nights | price | 1000
three hundred and sixty yuan and fifty fen | price | 360.5
RMB 366 flat | price | 366
CNY 372.50 | price | 372.5
369 each night | price | 369
seven hundred twenty in total for both nights | price | 720
two-ninety-nine, final | price | 299
three oh five | price | 305
twelve eighty | price | 1280
3 hundred 50 | price | 350
one fifty a head | price | 150
fine, 364 | price | 364
388 is what we list | price | 388
you said 350, I say 370 | price | 350 & price | 370
we went from 420 to 388 last month | price | 420 & price | 388
room 412 | none | null
the 18th and the 19th | none | null
check-in is at 2 pm | none | null
we have 14 rooms | none | null
4.6 out of 5 | none | null
only two nights | none | null
commission is 15% | none | null
open since 1998 | none | null
call 010-8888-1234 | none | null
we're at 80 percent occupancy | none | null
give me five minutes | none | null
three guests asked yesterday | none | null
on the third floor | none | null
June 18 to June 20 | none | null
ten past nine | none | null
first of May is full | none | null
I asked you twice | none | null
a double room with two beds | none | null
24-hour front desk | none | null
200 metres from the station | none | null
"""

ZH = """
三百六行不行 | price | 360
三百六十五块钱 | price | 365
三百七吧 | price | 370
四百一一晚 | price | 410
两百九十九 | price | 299
一千零八十 | price | 1080
一千三 | price | 1300
3百6 | price | 360
1千5 | price | 1500
三六五 | price | 365
给你算三百六 | price | 360
最少三百七 | bound | [">=", 370]
低于三百五免谈 | bound | [">=", 350]
不低于360 | bound | [">=", 360]
不超过三百四 | bound | ["<=", 340]
最高给到360 | bound | ["<=", 360]
四百以内 | bound | ["<=", 400]
三百五到三百六十五之间 | range | [350, 365]
三四百 | range | [300, 400]
三百六、三百七的样子 | range | [360, 370]
大概三百七 | approx | 370
三百六左右 | approx | 360
三百来块 | approx | 300
三百多 | approx | [300, 399]
三百出头 | approx | [300, 330]
三百好几 | approx | [330, 399]
将近四百 | approx | [370, 400]
便宜二十 | delta | -20
少个三十块 | delta | -30
再让十块 | delta | -10
降四十 | delta | -40
优惠十五元 | delta | -15
加三十含早 | delta | 30
涨二十 | delta | 20
打九折 | ratio | 0.9
八八折 | ratio | 0.88
九五折 | ratio | 0.95
便宜一成 | ratio | 0.9
让五个点 | ratio | 0.95
半价 | ratio | 0.5
各让一半 | midpoint | 369
取中间 | midpoint | 369
抹个零 | round | 380
底价三百二 | net | 320
结算价330 | net | 330
到手320 | net | 320
两晚七百二 | price | 720
每晚三百六 | price | 360
三百六一间夜 | price | 360
卖价388元 | price | 388
¥366 | price | 366
366.5元 | price | 366.5
你说350，我要370 | price | 350 & price | 370
从四百二降到三百八十八 | price | 420 & price | 388
412房间 | none | null
十八号入住 | none | null
下午两点办入住 | none | null
还有十四间房 | none | null
评分四点六 | none | null
就两晚 | none | null
佣金百分之十五 | none | null
一九九八年开业 | none | null
电话010-88881234 | none | null
入住率八成 | none | null
等五分钟 | none | null
昨天三个客人问过 | none | null
三楼 | none | null
六月十八到二十号 | none | null
九点十分 | none | null
五一满房 | none | null
我问了两次 | none | null
两张床的房 | none | null
二十四小时前台 | none | null
离车站两百米 | none | null
一会儿再说 | none | null
"""
