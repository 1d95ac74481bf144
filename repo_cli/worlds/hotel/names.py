"""Invented names of the hotel world: hotels, districts, rooms, platforms. None is taken from a data set."""

from __future__ import annotations

PLATFORM = {"en": "Tripway", "zh": "途悦"}

RIVALS = {"en": ("Platform B", "Platform C", "Platform D"), "zh": ("平台B", "平台C", "平台D")}

#: English and Chinese class names stand in the same order; a scenario carries the one of its language.
CLASSES = {
    "en": ("business", "family", "boutique", "budget", "resort", "airport"),
    "zh": ("商务型", "亲子型", "精品型", "经济型", "度假型", "机场型"),
}

CLASS_KEY = {name: key for names in CLASSES.values() for name, key in zip(names, CLASSES["en"], strict=True)}

EN_FIRST = (
    "Lotus",
    "Cedar",
    "Harbour",
    "Maple",
    "Silver",
    "Amber",
    "Willow",
    "Copper",
    "Lantern",
    "Orchard",
    "Juniper",
    "Pearl",
    "Granite",
    "Meadow",
    "Saffron",
    "Crane",
    "Bamboo",
    "Ivory",
    "Birch",
    "Jade",
    "Compass",
    "Heron",
    "Quarry",
    "Linden",
    "Opal",
    "Magnolia",
    "Summit",
    "Tide",
)

EN_SECOND = {
    "business": ("Court", "Tower", "Plaza", "Exchange", "Central"),
    "family": ("Garden", "Park", "Holiday House", "Village", "Grove"),
    "boutique": ("House", "Loft", "Atelier", "Mews", "Corner"),
    "budget": ("Inn", "Lodge", "Stay", "Express", "Rooms"),
    "resort": ("Bay", "Sands", "Springs", "Cove", "Retreat"),
    "airport": ("Gate", "Transit", "Runway", "Terminal Inn", "Layover"),
}

EN_DISTRICTS = (
    "Riverside",
    "Old Mill",
    "North Quay",
    "Station Hill",
    "Canal Street",
    "Eastfield",
    "Market Square",
    "Westbridge",
    "Lakeshore",
    "Garden District",
    "Tech Park",
    "Harbour Row",
    "Temple Lane",
    "Southgate",
)

EN_ROOMS = {
    "business": ("deluxe king", "executive king", "superior twin", "business double"),
    "family": ("family room", "family twin", "bunk room", "garden suite"),
    "boutique": ("courtyard double", "attic king", "studio double", "terrace king"),
    "budget": ("standard double", "standard twin", "single room", "compact double"),
    "resort": ("sea-view king", "garden twin", "pool villa", "balcony king"),
    "airport": ("standard king", "transit twin", "soundproof double", "early-check-in king"),
}

ZH_FIRST = (
    "青禾",
    "云栖",
    "晚风",
    "木棉",
    "松月",
    "听雨",
    "锦鲤",
    "白鹭",
    "南枝",
    "半山",
    "春屿",
    "竹里",
    "星澜",
    "望舒",
    "芦汀",
    "枫桥渡",
    "橙野",
    "澄湖",
    "鹿鸣谷",
    "雁归",
    "海棠里",
    "石榴",
    "砚田",
    "拾光",
    "暖阳",
    "沐云",
    "溪语",
    "清岚",
)

ZH_SECOND = {
    "business": ("商务酒店", "国际酒店", "大酒店", "公馆"),
    "family": ("亲子酒店", "家庭酒店", "童趣酒店", "乐园酒店"),
    "boutique": ("精品酒店", "民宿", "小院", "设计酒店"),
    "budget": ("快捷酒店", "宾馆", "旅馆", "便捷酒店"),
    "resort": ("度假酒店", "度假村", "温泉酒店", "湖景酒店"),
    "airport": ("机场酒店", "航站酒店", "空港酒店", "候机公寓"),
}

ZH_DISTRICTS = (
    "临河新区",
    "北渡",
    "老磨坊",
    "站前",
    "湖东",
    "西桥",
    "桂园",
    "科创园",
    "南门里",
    "码头街",
    "东田",
    "云台",
    "集贤里",
    "海湾",
)

ZH_ROOMS = {
    "business": ("豪华大床房", "行政大床房", "高级双床房", "商务大床房"),
    "family": ("家庭房", "亲子双床房", "上下铺房", "花园套房"),
    "boutique": ("庭院大床房", "阁楼大床房", "画室大床房", "露台大床房"),
    "budget": ("标准大床房", "标准双床房", "单人间", "小巧大床房"),
    "resort": ("海景大床房", "园景双床房", "泳池别墅", "阳台大床房"),
    "airport": ("舒适大床房", "中转双床房", "静音大床房", "钟点大床房"),
}

#: (lowest, highest) current sell price per night in CNY.
PRICE_RANGE = {
    "business": (268, 598),
    "family": (298, 638),
    "boutique": (328, 788),
    "budget": (128, 278),
    "resort": (428, 1180),
    "airport": (198, 458),
}

RATING_RANGE = {
    "business": (4.1, 4.8),
    "family": (4.1, 4.8),
    "boutique": (4.3, 4.9),
    "budget": (3.6, 4.5),
    "resort": (4.2, 4.9),
    "airport": (3.8, 4.6),
}

BREAKFAST = {
    "en": ("breakfast for two", "breakfast for one", "no breakfast"),
    "zh": ("含双早", "含单早", "不含早"),
}

OFFERS = {
    "en": ("date-limited deal", "last-minute deal", "midweek deal", "longer-stay deal", "early-bird deal"),
    "zh": ("限日期优惠", "今夜特价", "平日优惠", "连住优惠", "早鸟优惠"),
}

FORBIDDEN = {"en": ("commission", "subsidy", "ads", "ranking"), "zh": ("佣金", "补贴", "广告", "排名")}
