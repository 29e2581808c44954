"""Korean words the generated sources are made of: companies, people, cities, products, remarks.

Here: lists and small tables. Not here: how they are combined (`customers.py`, `sales.py`,
`receivables.py`). The companies and people are invented.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A region with SAP's code for it, its sales office, phone prefix, weight and cities."""

    code: str
    name: str
    office: str
    phone: str
    weight: int
    cities: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


REGIONS = (
    Region(
        "01", "서울특별시", "1000", "02", 24, ("강남구", "송파구", "영등포구", "마포구", "성동구")
    ),
    Region("02", "부산광역시", "3000", "051", 9, ("해운대구", "사상구", "부산진구", "강서구")),
    Region("03", "대구광역시", "3000", "053", 6, ("달서구", "수성구", "북구")),
    Region("04", "인천광역시", "1100", "032", 8, ("남동구", "부평구", "연수구")),
    Region("05", "광주광역시", "4000", "062", 4, ("광산구", "서구")),
    Region("06", "대전광역시", "2000", "042", 4, ("유성구", "대덕구")),
    Region("07", "울산광역시", "3000", "052", 3, ("남구", "울주군")),
    Region("08", "경기도", "1100", "031", 25, ("수원시", "성남시", "화성시", "고양시", "평택시")),
    Region("09", "강원특별자치도", "1100", "033", 2, ("춘천시", "원주시", "강릉시")),
    Region("10", "충청북도", "2000", "043", 3, ("청주시", "충주시")),
    Region("11", "충청남도", "2000", "041", 4, ("천안시", "아산시", "당진시")),
    Region("12", "전북특별자치도", "4000", "063", 3, ("전주시", "군산시", "익산시")),
    Region("13", "전라남도", "4000", "061", 3, ("여수시", "순천시", "목포시")),
    Region("14", "경상북도", "3000", "054", 4, ("포항시", "구미시", "경주시")),
    Region("15", "경상남도", "3000", "055", 5, ("창원시", "김해시", "진주시")),
    Region("16", "제주특별자치도", "4000", "064", 1, ("제주시", "서귀포시")),
    Region("17", "세종특별자치시", "2000", "044", 1, ("조치원읍", "나성동")),
)

#: Customer group (KDGRP), its weight among customers, and how much such a customer buys.
SEGMENTS = (("01", 46, 100), ("02", 6, 900), ("03", 12, 250), ("04", 28, 120), ("05", 8, 80))

COMPANY_FIRST = _words(
    "한빛 새롬 대륙 금강 동해 서진 남양 북성 가온 누리 다온 라온 마루 바른 아람 자연 차오름 "
    "큰솔 태백 푸른 하늘 해오름 한울 미래 성원 영진 우림 정도 청솔 태양 늘푸른 두레 세종 온누리"
)
COMPANY_LAST = _words(
    "상사 유통 산업 식품 물산 무역 로지스 마트 푸드 케미칼 테크 정밀 기업 종합유통 컴퍼니 "
    "F&B 코리아 인터내셔널 농산 수산"
)
#: The same legal form as people write it; blanks and all, for the dataset to clean.
COMPANY_FORMS = ("(주){}", "{}(주)", "㈜{}", "㈜ {} ", "주식회사 {}", "{} 주식회사", " {}", "{}")

FAMILY_NAMES = _words("김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 류 홍 남궁")
GIVEN_NAMES = _words(
    "민준 서연 도윤 지우 예준 하은 시우 지호 수빈 은주 현우 영희 철수 미경 성호 정숙 동현 "
    "유진 상철 혜진 재훈 보람 대한 나래"
)

PLANTS = ("1100", "1200", "2100", "3100")


@dataclass(frozen=True)
class Group:
    """A material group: what share of the lines it has, how the twelve months weigh (percent), its
    products with a price in won, the unit, and the usual quantity of a line."""

    code: str
    share: int
    months: tuple[int, ...]
    unit: str
    quantity: int
    products: tuple[tuple[str, int], ...]
    is_gift: bool = False


_EVEN = (96, 94, 101, 100, 101, 99, 98, 97, 101, 103, 104, 106)
_SUMMER = (62, 64, 78, 92, 112, 138, 158, 156, 112, 88, 72, 68)
_WINTER = (128, 118, 102, 90, 82, 74, 72, 76, 92, 108, 124, 134)

GROUPS = (
    Group(
        "BEV",
        24,
        _SUMMER,
        "BOX",
        20,
        (
            ("생수 2L 6입", 4_200),
            ("보리차 500ml 20입", 13_800),
            ("탄산수 레몬 350ml", 15_600),
            ("제주 감귤주스 1.5L", 21_500),
            ("콜드브루 커피 270ml", 26_400),
            ("식혜 1.8L", 19_900),
        ),
    ),
    Group(
        "NDL",
        20,
        _WINTER,
        "BOX",
        15,
        (
            ("매운라면 40입", 28_800),
            ("사골곰탕면 32입", 30_400),
            ("짜장면 5입×8", 33_600),
            ("컵라면 작은컵 24입", 21_600),
            ('쌀국수 "하노이" 12입', 18_000),
        ),
    ),
    Group(
        "SNK",
        18,
        _EVEN,
        "BOX",
        12,
        (
            ("새우과자 90g×20", 22_000),
            ("감자칩 오리지널 60g", 24_500),
            ("초코파이 12입×8", 31_200),
            ("현미 크래커, 저염", 19_800),
            ("꿀 약과 10입", 27_500),
        ),
    ),
    Group(
        "FRZ",
        12,
        _SUMMER,
        "BOX",
        8,
        (
            ("왕교자 1.05kg×6", 52_800),
            ("냉동 볶음밥 4인분", 36_000),
            ("팥 아이스바 40입", 24_000),
            ("물냉면 2인 10입", 43_000),
        ),
    ),
    Group(
        "GFT",
        6,
        _EVEN,
        "SET",
        30,
        (
            ("명절 선물세트 1호", 29_900),
            ("명절 선물세트 2호 (참기름·김)", 39_900),
            ('홍삼 선물세트 "정성"', 89_000),
            ("한과 세트, 보자기 포장", 54_000),
        ),
        is_gift=True,
    ),
    Group(
        "HPC",
        12,
        _EVEN,
        "EA",
        40,
        (
            ("주방세제 1.2L", 4_900),
            ("물티슈 100매×10", 12_900),
            ("두루마리 화장지 30롤", 18_500),
            ("손 세정제 500ml", 6_400),
        ),
    ),
    Group(
        "RAW",
        7,
        _EVEN,
        "KG",
        300,
        (
            ("밀가루 중력분 20kg 포대", 1_150),
            ("정백당 벌크", 1_320),
            ("팜유 정제", 1_780),
            ("옥수수 전분", 1_040),
        ),
    ),
    Group(
        "EQP",
        1,
        _EVEN,
        "EA",
        1,
        (
            ("자동 포장기 AP-300", 14_500_000),
            ("냉장 쇼케이스 1200형", 1_890_000),
            ('금속 검출기 "M-7"', 8_700_000),
        ),
    ),
)

REMARKS_CORRECTED = ("수량 정정", "단가 정정, 영업 요청", "수량 정정\n(전산 입력 오류)")
REMARKS_RETURN = ("파손 반품", "유통기한 임박", "오배송", '고객 변심, "미개봉"')
REMARKS = (
    '긴급 "당일" 배송',
    "경비실 보관, 부재 시 연락",
    "1차분\n잔량 익일 출고",
    "행사 물량",
    "O'Brien 지점 직송",
)

INVOICE_TEXTS = (None, "", "정기 납품", "행사 물량 정산", '"월 마감" 합산', "선물세트, 분할 청구")
CREDIT_TEXTS = ("반품 정산", "단가 차액", "판매 장려금", "파손 보상\n(영업 확인)")
PAYMENT_TEXT = "입금"
PARTIAL_TEXT = "일부 입금"
SHORT_TEXT = "송금 수수료 차감"
TWICE_TEXT = "중복 입금"
REFUND_TEXT = "환불"
ON_ACCOUNT_TEXT = "가수금, 송장 미지정"
CLEARING_TEXT = "가수금 정리"
BOUNCED_TEXT = "어음 부도"
