"""Made-up names: people, companies, projects, and what clients write into surveys.

Every name is put together at random from common parts; none is meant to be a real person or brand.
"""

import random
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

EMAIL_DOMAIN = "maylam.example"

_FAMILY = (
    ("Nguyễn", 31), ("Trần", 11), ("Lê", 9), ("Phạm", 7), ("Huỳnh", 5), ("Phan", 4), ("Vũ", 4), ("Đặng", 3), ("Bùi", 3),
    ("Đỗ", 3), ("Ngô", 2), ("Dương", 2), ("Lý", 2), ("Đinh", 2), ("Trịnh", 2), ("Lâm", 2), ("Tạ", 1), ("Châu", 1),
    ("Quách", 1), ("Từ", 1),
)  # fmt: skip
_FAMILY_NAMES = tuple(name for name, _ in _FAMILY)
_FAMILY_WEIGHTS = tuple(weight for _, weight in _FAMILY)
_WOMEN = (
    ("Thị", "Ngọc", "Thu", "Bảo", "Khánh", "Minh", "Phương", "Thanh", "Hoài", "Diệu", "Mai", "Tường"),
    ("Lan", "Hương", "Hà", "Linh", "Trang", "Thảo", "Vy", "Ngân", "Quyên", "Yến", "Nhung", "Trâm", "Châu", "Uyên",
     "Thủy", "Hạnh", "Loan", "Diễm", "My", "Giang"),
)  # fmt: skip
_MEN = (
    ("Văn", "Hữu", "Đức", "Minh", "Quốc", "Gia", "Hoàng", "Tuấn", "Anh", "Thành", "Công", "Nhật"),
    ("Nam", "Hùng", "Dũng", "Long", "Khoa", "Phong", "Sơn", "Tùng", "Hải", "Đạt", "Khôi", "Quân", "Bình", "Thắng",
     "Vinh", "Duy", "Tín", "Lộc", "Kiên", "Toàn"),
)  # fmt: skip

_BRAND_HEADS = (
    "Sương", "Gốm", "Lụa", "Mây", "Suối", "Bến", "Hạc", "Vạc", "Cốm", "Trầm", "Đồi", "Rạch", "Cánh", "Bông", "Vườn",
    "Nắng", "Nhịp", "Thuyền", "Chuông", "Ngói", "Sóng", "Lam", "Đèn", "Khung",
)  # fmt: skip
_BRAND_TAILS = (
    "Chàm", "Biếc", "Khuya", "Ngà", "Rêu", "Tía", "Mật", "Gấm", "Lặng", "Non Đông", "Bạc Hà", "Thạch", "Sớm Mai", "Nâu",
    "Đào", "Phèn", "Cúc Mốc", "Đá Xám", "Thảo", "Lửa", "Mười Ba", "Ven Đê", "Xưa", "Tháng Chạp",
)  # fmt: skip
_SECTORS = (
    ("FMCG", "Thực phẩm"), ("FMCG", "Đồ uống"), ("FMCG", "Nông sản"), ("beauty", "Mỹ phẩm"), ("retail", "Bán lẻ"),
    ("real_estate", "Bất động sản"), ("finance", "Tài chính"), ("technology", "Công nghệ"), ("healthcare", "Dược phẩm"),
    ("education", "Giáo dục"), ("travel", "Du lịch"), ("automotive", "Ô tô"), ("logistics", "Vận tải"),
    ("fashion", "Thời trang"),
)  # fmt: skip
INDUSTRIES = tuple(sorted({industry for industry, _ in _SECTORS}))
_FORMS = ("Công ty Cổ phần", "Công ty TNHH", "Công ty CP", "Công ty TNHH MTV", "Tập đoàn")

_PROJECTS = (
    "TVC", "Chiến dịch mạng xã hội", "Ra mắt sản phẩm", "Sự kiện tri ân", "Bộ nhận diện", "Bộ ảnh sản phẩm",
    "Nội dung tháng", "Truyền thông nội bộ", "Website chiến dịch", "Quảng cáo ngoài trời", "KOL & influencer",
    "Khuyến mãi tại điểm bán", "Podcast", "Nghiên cứu người tiêu dùng", "Performance media", "Phim ngắn",
)  # fmt: skip
_TET_PROJECTS = ("Chiến dịch Tết", "TVC Tết", "Quà Tết doanh nghiệp", "Phim Tết", "Activation Tết")

_PRAISE = (
    "", "", "", "", "Đội ngũ phản hồi rất nhanh.", "Rất hài lòng, cảm ơn team!", "Ý tưởng tốt, bám sát brief.",
    "Great work, on time and on brief.", "Làm việc chuyên nghiệp; báo cáo rõ ràng.", "Sẽ tiếp tục hợp tác.",
)  # fmt: skip
_COMPLAINTS = (
    "", "", "", "Giao trễ hai lần, cần báo sớm hơn.", 'Nội dung "chưa tới", phải sửa nhiều vòng.',
    "Chi phí phát sinh không báo trước.", "Thay đổi người phụ trách liên tục.", "Slow replies, please improve.",
    "Báo cáo thiếu số liệu, khó theo dõi.",
)  # fmt: skip


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFD", text.replace("Đ", "D").replace("đ", "d"))
    return "".join(letter for letter in plain if letter.isascii()).replace(" ", "").lower()


@dataclass
class Directory:
    """Gives names of people, with unique addresses."""

    _taken: Counter[str] = field(default_factory=Counter)

    def person(self, rng: random.Random) -> tuple[str, str]:
        """A full name and its e-mail address."""
        family = rng.choices(_FAMILY_NAMES, _FAMILY_WEIGHTS)[0]
        middles, givens = _WOMEN if rng.random() < 0.58 else _MEN
        middle, given = rng.choice(middles), rng.choice(givens)
        return f"{family} {middle} {given}", self.address(given, family)

    def address(self, given: str, family: str) -> str:
        """`given.family@…`, with a number from the second person of that name on."""
        base = f"{_ascii(given)}.{_ascii(family)}"
        self._taken[base] += 1
        number = self._taken[base]
        return f"{base}{number if number > 1 else ''}@{EMAIL_DOMAIN}"


@dataclass(frozen=True)
class Company:
    """A client's legal name, the short name that projects carry, and its industry."""

    legal_name: str
    short_name: str
    industry: str


# The four clients who are billed in their own currency.
FOREIGN_CLIENTS = (
    ("USD", Company("Copperwren Beverages (Vietnam) Ltd.", "Copperwren", "FMCG")),
    ("EUR", Company("Brackenfeld Pharma Việt Nam GmbH", "Brackenfeld", "healthcare")),
    ("JPY", Company("Hoshikaze Foods Việt Nam K.K.", "Hoshikaze", "FMCG")),
    ("SGD", Company("Tanjong Lumba Retail Pte. Ltd.", "Tanjong Lumba", "retail")),
)


def companies(rng: random.Random, count: int) -> list[Company]:
    """`count` companies; short names repeat only when there are more companies than names (576)."""
    brands = [f"{head} {tail}" for head in _BRAND_HEADS for tail in _BRAND_TAILS]
    rng.shuffle(brands)
    found = []
    for number in range(count):
        brand = brands[number % len(brands)]
        industry, sector = rng.choice(_SECTORS)
        found.append(Company(f"{rng.choice(_FORMS)} {sector} {brand}", brand, industry))
    return found


def project_name(rng: random.Random, short_name: str, is_tet_season: bool) -> str:
    """What a project is called in the project tool."""
    names = _TET_PROJECTS if is_tet_season and rng.random() < 0.6 else _PROJECTS
    return f"{rng.choice(names)} {short_name}"


def survey_comment(rng: random.Random, is_satisfied: bool) -> str:
    """What the client wrote; often nothing."""
    return rng.choice(_PRAISE if is_satisfied else _COMPLAINTS)
