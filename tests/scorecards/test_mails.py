"""What stands in a mail: every figure from the marts, no name it must not hold, nothing executed, in one language."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pypdf import PdfReader

from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.publishing.reader import published
from amkpi.scorecards.facts import ScopeMember, read_facts
from amkpi.scorecards.mail.history import FigureKey, History, Sending
from amkpi.scorecards.mail.messages import OutgoingMail
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.outbox import write_to_outbox
from amkpi.scorecards.mail.prepare import prepare
from amkpi.scorecards.model import SentFigure
from amkpi.scorecards.render.html import MOST_HTML_BYTES
from amkpi.scorecards.restatements.lines import current_figures
from tests.scorecards import agency
from tests.scorecards.figures import rated, shown
from tools.texts import read_catalogue

pytestmark = pytest.mark.slow

Mails = Mapping[str, EmailMessage]


@pytest.fixture(scope="session")
def sent(publication: Path, tmp_path_factory: pytest.TempPathFactory) -> Mails:
    """September's mails of the agency as it is, with the workbook; made once, for those tests that change nothing."""
    return mails(agency.run_with(tmp_path_factory.mktemp("mails"), publication), workbook=True)


def mails(
    run: Run, folder: str = "outbox", period: str = "2026-09", to: Sequence[str] = (), **options: object
) -> dict[str, EmailMessage]:
    """Every mail of a period, parsed, by staff_id. to: only these people."""
    outbox = run.home.root / folder
    write_to_outbox(run, outbox, period=period, to=to, options=Options(**options))  # type: ignore[arg-type]
    found = {}
    for path in sorted(outbox.glob("*.eml")):
        parsed = message_from_bytes(path.read_bytes(), policy=default)
        assert isinstance(parsed, EmailMessage)
        found[path.stem.split("_")[-1]] = parsed
    return found


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def attached(mail: EmailMessage, subtype: str) -> bytes:
    return next(p.get_content() for p in mail.walk() if p.get_content_subtype() == subtype)


class Page(HTMLParser):
    """An HTML mail read by a strict eye: its text, its tags, its attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(source)
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("br", "img", "meta"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)


def read(source: str) -> str:
    """What a reader or a screen reader gets of an HTML mail, spaces made one."""
    page = Page(source)
    spoken = [value for name, value in page.attributes if name in ("alt", "aria-label", "title")]
    return " ".join(" ".join([*page.text, *spoken]).split())


def test_the_pdf_is_tagged_in_its_language_and_its_pages_are_numbered(sent: Mails) -> None:
    reader = PdfReader(io.BytesIO(attached(sent["M1"], "pdf")))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert agency.DIACRITICS in text
    assert f"trang 1 / {len(reader.pages)}" in text
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "vi"


def test_html_and_plain_text_say_the_same(run: Run, sent: Mails) -> None:
    with published(run.home, run.settings) as connection:
        assert connection.execute("select count(*) from scorecard_lines").fetchall() != [(0,)]
    for staff_id, mail in sent.items():
        page = read(part(mail, "html"))
        for line in part(mail, "plain").splitlines():
            for piece in re.split(r" \| |: |; | · |^\s*[-*]+ |^== | ==$|^\d\. ", line.strip()):
                piece = " ".join(piece.split())
                bare = re.sub(r"^(.*) \((\S+ \S+)\)$", r"\1", piece)
                if piece and not re.search(r"[✓✗!○–].*, ", piece) and piece != "--":
                    assert piece in page or bare in page or piece.strip("(): -") in page, (staff_id, piece)


def test_the_chart_is_carried_along_and_its_alt_text_tells_its_numbers(run: Run, sent: Mails) -> None:
    mail = sent["D1"]
    page = Page(part(mail, "html"))
    assert [value for name, value in page.attributes if name == "src"] == ["cid:chart"]
    image = next(p for p in mail.walk() if p.get_content_type() == "image/png")
    assert image["Content-ID"] == "<chart>"
    assert len(image.get_content()) < 20_000
    alt = next(value for name, value in page.attributes if name == "alt")
    with published(run.home, run.settings) as connection:
        rows = connection.execute(
            "select weighted_score, rating from scorecards where scope = 'team' and staff_id = 'D1'"
            " and period_start between '2026-04-01' and '2026-09-01' order by period_start"
        ).fetchall()
    assert len(rows) == 6
    told = "; ".join(f"T{4 + at} {shown(score, 'score', 'vi')} ({rating})" for at, (score, rating) in enumerate(rows))
    assert alt.endswith(told)


def test_hostile_client_names_are_text_and_nothing_more(sent: Mails) -> None:
    for mail in sent.values():
        html = part(mail, "html")
        page = Page(html)
        known = "html head meta title style body div table tr td th p h1 h2 h3 ul li b small br span img"
        assert page.tags <= set(known.split())
        assert "<b>Trà" not in html
        assert "&lt;b&gt;Trà Xanh&lt;/b&gt;" in html
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        text = part(mail, "plain")
        assert "<b>Trà Xanh</b>" in text
        with zipfile.ZipFile(
            io.BytesIO(attached(mail, "vnd.openxmlformats-officedocument.spreadsheetml.sheet"))
        ) as book:
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
            strings = book.read("xl/sharedStrings.xml").decode()
        assert "<f>" not in sheet
        assert "=cmd|' /C calc'!A0" in strings
        pdf = PdfReader(io.BytesIO(attached(mail, "pdf")))
        assert "/OpenAction" not in pdf.trailer["/Root"]
    everything = "".join(part(mail, "plain") for mail in sent.values())
    assert "日本広告" in everything
    assert "=cmd|' /C calc'!A0" in everything


def test_a_pdf_carries_its_fonts_and_japanese_can_be_read(sent: Mails) -> None:
    pdf = PdfReader(io.BytesIO(attached(sent["D1"], "pdf")))
    assert "日本広告" in "".join(page.extract_text() for page in pdf.pages)
    fonts = {
        str(font.get_object()["/BaseFont"])
        for page in pdf.pages
        for font in page["/Resources"].get_object()["/Font"].get_object().values()
    }
    assert any("NotoSans" in name for name in fonts)
    assert any("CJK" in name for name in fonts)


def test_no_name_and_no_id_of_people_outside_the_team_appears_anywhere(sent: Mails) -> None:
    names = {each.staff_id: each.full_name for each in agency.PEOPLE}
    allowed = {"M1": "M1", "M2": "M2", "M3": "M3", "D1": ("D1", "M1", "M2"), "D2": ("D2", "M3"), "G1": tuple(names)}
    for staff_id, mail in sent.items():
        pdf = PdfReader(io.BytesIO(attached(mail, "pdf")))
        whole = " ".join([part(mail, "plain"), read(part(mail, "html")), *(page.extract_text() for page in pdf.pages)])
        with zipfile.ZipFile(
            io.BytesIO(attached(mail, "vnd.openxmlformats-officedocument.spreadsheetml.sheet"))
        ) as book:
            whole += book.read("xl/sharedStrings.xml").decode()
        for other, name in names.items():
            if other not in allowed[staff_id]:
                assert name not in whole, (staff_id, other)
                assert not re.search(rf"\b{other}\b", whole), (staff_id, other)


def test_a_leader_without_a_team_reads_clients_and_records_but_no_names(run: Run) -> None:
    agency.change(
        run.home.current.resolve(),
        "insert into dim_staff values ('F1', 'Hồ Kế Toán', 'finance_manager', null, null, 'f1@agency.example', 'vi',"
        " true, '2024-01-01')",
    )
    mail = mails(run, leadership=("F1",), workbook=True)["F1"]
    assert "日本広告 (C2)" in part(mail, "plain")
    pdf = PdfReader(io.BytesIO(attached(mail, "pdf")))
    whole = " ".join([part(mail, "plain"), read(part(mail, "html")), *(page.extract_text() for page in pdf.pages)])
    kind = "vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    with zipfile.ZipFile(io.BytesIO(attached(mail, kind))) as book:
        whole += book.read("xl/sharedStrings.xml").decode()
    for each in agency.PEOPLE:
        assert each.full_name not in whole


@pytest.mark.slow
def test_no_english_shows_in_a_vietnamese_mail(run: Run, tmp_path: Path) -> None:
    file = run.home.current.resolve()
    agency.change(file, "update dim_client set client_name = client_id; update dim_staff set full_name = staff_id;")
    messages = [each for each in read_catalogue("vi") if each.id]
    english = {word for m in messages for word in _words(m.id if isinstance(m.id, str) else m.id[0])}
    for each in kpis():
        english |= {
            word for text in (each.label.en, each.question.en, each.formula.en, each.sample.en) for word in _words(text)
        }
    ours = {word for m in messages for word in _words(str(m.string[0] if isinstance(m.string, tuple) else m.string))}
    for each in kpis():
        ours |= {
            word for text in (each.label.vi, each.question.vi, each.formula.vi, each.sample.vi) for word in _words(text)
        }
    foreign = english - ours
    assert len(foreign) > 100
    for staff_id in ("M1", "M3", "D1", "G1"):
        mail = mails(run)[staff_id]
        pdf = PdfReader(io.BytesIO(attached(mail, "pdf")))
        whole = " ".join(
            [mail["Subject"], part(mail, "plain"), read(part(mail, "html")), *(p.extract_text() for p in pdf.pages)]
        )
        assert not _words(whole) & foreign, staff_id


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]+", re.sub(r"{\w+}", "", text)) if len(word) > 1}


def test_the_subject_says_the_score_the_rating_and_how_much_needs_attention(run: Run, sent: Mails) -> None:
    found = sent
    with published(run.home, run.settings) as connection:
        score, rating = connection.execute(
            "select weighted_score, rating from scorecards"
            " where scope = 'team' and staff_id = 'D1' and period_start = '2026-09-01'"
        ).fetchall()[0]
        missed = connection.execute(
            "select count(*) from scorecard_lines"
            " where scope = 'team' and staff_id = 'D1' and period_start = '2026-09-01'"
            " and status in ('at_risk', 'off_target')"
        ).fetchall()[0][0]
    assert (
        found["D1"]["Subject"]
        == f"T9/2026 · Nhóm Lan: {rated(score, rating, 'vi')} ({rating}), {missed} chỉ số cần chú ý"
    )
    assert found["D2"]["Subject"].startswith("Sep 2026 · Nga's team: ")
    assert found["G1"]["Subject"].startswith("T9/2026 · Toàn công ty: ")


def test_a_scorecard_without_a_rating_says_why(run: Run) -> None:
    agency.change(
        run.home.current.resolve(),
        "update scorecards set rating = null, weight_covered = 0.4 where staff_id in ('M1', 'M2');"
        " update scorecards set weighted_score = null, rating = null, weight_covered = null where staff_id = 'M3'",
    )
    found = mails(run)
    reasons = {
        "M1": "Chưa xếp hạng (40% trọng số có dữ liệu, cần 70%)",
        "M2": "Not rated (40% of the weight has data, 70% needed)",
        "M3": "Chưa xếp hạng (chưa chấm được chỉ số nào)",
    }
    for staff_id, reason in reasons.items():
        text, page = part(found[staff_id], "plain"), read(part(found[staff_id], "html"))
        assert text.count(reason) == page.count(reason) == 2, "in the head and in the card"
        assert "Xếp hạng " not in text
        pdf = PdfReader(io.BytesIO(attached(found[staff_id], "pdf")))
        assert reason in " ".join(" ".join(each.extract_text() for each in pdf.pages).split())


def test_an_off_target_that_open_proposals_can_still_turn_is_not_counted_as_missed(run: Run) -> None:
    win_rate = "kpi = 'contract_win_rate' and scope = 'own' and period_start = '2026-09-01'"
    agency.change(
        run.home.current.resolve(),
        "update scorecard_lines set status = 'on_target' where scope = 'own';"
        f" update kpi_values set value = 0.2, numerator = 2, denominator = 10, sample_size = 10, undecided = 3"
        f" where {win_rate};"
        f" update scorecard_lines set target = 0.5, attainment = 0.4, status = 'off_target' where {win_rate};"
        # Two more of M3's would not be enough.
        f" update kpi_values set undecided = 2 where staff_id = 'M3' and {win_rate}",
    )
    found = mails(run)
    subjects = {staff_id: str(found[staff_id]["Subject"]).split(", ")[1] for staff_id in ("M1", "M2", "M3")}
    assert subjects == {"M1": "1 chỉ số còn chờ kết quả", "M2": "1 KPI still open", "M3": "1 chỉ số cần chú ý"}
    for text in (part(found["M2"], "plain"), read(part(found["M2"], "html"))):
        assert "Nothing needs attention yet: 1 KPI below its target is still open" in text
        assert "3 of 10 proposals still open" in text
        assert "Off target" not in text
    assert "2/10 đề xuất chưa có kết quả" in part(found["M3"], "plain")
    assert "Chưa đạt" in part(found["M3"], "plain")


def test_one_record_is_counted_in_the_singular(run: Run) -> None:
    agency.change(
        run.home.current.resolve(),
        "update kpi_values set value = 0, numerator = 0, denominator = 1, sample_size = 1, undecided = 1"
        " where kpi = 'contract_win_rate' and staff_id = 'M2' and period_start = '2026-09-01'",
    )
    text = part(mails(run)["M2"], "plain")
    assert "0 of 1 proposal sent · 1 of 1 proposal still open" in text
    assert "8 of 8 KPIs scored" in text
    assert "· 3 projects delivered" in text


def test_attention_is_ranked_by_weight_times_shortfall_and_is_at_most_three(run: Run, sent: Mails) -> None:
    text = part(sent["D1"], "plain")
    named = re.findall(r"^\d\. ([^:]+):", text.split("\n== ")[1], flags=re.MULTILINE)
    with published(run.home, run.settings) as connection:
        rows = connection.execute(
            "select kpi from scorecard_lines where scope = 'team' and staff_id = 'D1' and period_start = '2026-09-01'"
            " and status in ('at_risk', 'off_target') order by weight * (1 - attainment) desc limit 3"
        ).fetchall()
    labels = {kpi.name: kpi.label.vi for kpi in kpis()}
    assert named == [labels[kpi] for (kpi,) in rows]


def test_a_period_that_runs_is_provisional_and_revenue_is_not_judged_against_a_whole_month(run: Run) -> None:
    text = part(mails(run, period="2026-10")["M1"], "plain")
    assert "Tạm tính · dữ liệu đến hết 17/10/2026" in text
    assert "T9/2026" not in text.split("\n== ")[2].split("Sáu kỳ")[0]
    assert not re.search("tốt hơn|kém hơn|(tăng|giảm) [0-9,]+ điểm", text.split("--\n")[0])
    assert "Kỳ đã kết thúc, chưa chốt · dữ liệu đến hết 17/10/2026" in part(mails(run, "over")["M1"], "plain")


def test_warnings_reach_only_those_whom_they_touch(run: Run) -> None:
    file = run.home.current.resolve()
    agency.change(
        file,
        """insert into quarantined_rows values ('contracts', 'contracts/x.csv', 7, 'missing_fx_rate', 'currency',
            '{"owner_id": "M1"}', now(), false, 1, false);
        insert into quarantined_rows values ('peer_reviews', 'peer_reviews/x.csv', 9, 'bad_type', null, null, now(),
            false, 2, false);
        -- Nobody is warned of a row that a person has set aside.
        insert into quarantined_rows values ('contracts', 'contracts/x.csv', 8, 'missing_fx_rate', 'currency',
            '{"owner_id": "M2"}', now(), false, 1, true);
        insert into quality_results values ('raw', 'no_clock_is_ahead', 'contracts', null, false, 'warning', 'x', 1,
            'mend', now(), '["a.csv:2"]');
        insert into quality_results values ('agency', 'owners_are_account_staff', 'records', 'staff_id', false,
            'warning', 'x', 1, 'mend', now(), '["contracts HDM2-8-1 of 2026-08-11, M2 Lê Đức Đạt is designer"]');""",
    )
    found = {staff_id: part(mail, "plain") for staff_id, mail in mails(run).items()}
    assert {s for s, text in found.items() if "contracts/x.csv:7" in text} == {"M1", "D1", "G1"}
    assert not any("contracts/x.csv:8" in text for text in found.values())
    assert {s for s, text in found.items() if "peer_reviews/x.csv:9" in text} == {"G1"}
    assert "1 dòng hợp đồng đang bị giữ lại, chưa được tính: thiếu tỷ giá của ngày phát sinh" in found["M1"]
    assert "A source's clock is ahead" in found["M2"]
    assert "Đồng hồ của một nguồn dữ liệu chạy trước" in found["M1"]
    owners = ("người không thuộc bộ phận Account", "people who are no account staff")
    assert {s for s, text in found.items() if any(word in text for word in owners)} == {"M2", "D1", "G1"}


def told(run: Run, staff_id: str, *values: SentFigure) -> None:
    """Let this reader have been told other values in a mail before."""
    History(run.home.state).write(
        Sending(
            "month",
            "2026-09",
            "2026-W40",
            staff_id,
            "x@agency.example",
            "old",
            0,
            "v",
            "<m>",
            "sent",
            datetime(2026, 10, 5, tzinfo=UTC),
            "250",
            1,
            values,
        )
    )


def test_what_changed_since_the_last_mail_is_said_from_to_and_only_to_who_was_told(run: Run) -> None:
    told(
        run, "D1",
        SentFigure("own", "M1", "client_revenue", "month", date(2026, 8, 1), "value", 1e6),
        SentFigure("team", "D1", "on_time_delivery_rate", "month", date(2026, 8, 1), "value", None),
        SentFigure("own", "M3", "client_revenue", "month", date(2026, 8, 1), "value", 1e6),
    )  # fmt: skip
    found = {staff_id: part(mail, "plain") for staff_id, mail in mails(run).items()}
    assert [s for s, text in found.items() if "Thay đổi từ thư trước" in text] == ["D1"]
    lines = found["D1"].split("Thay đổi từ thư trước ==\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) == 2, "whoever is outside the team is not told of"
    assert re.fullmatch(r"- Tỷ lệ giao đúng hạn, T8/2026, Nhóm Lan: – → [\d,]+% \(.*\)", lines[0])
    assert re.fullmatch(rf"- Doanh thu khách hàng, T8/2026, Trần {agency.DIACRITICS}: 1 triệu ₫ → .*", lines[1])


def test_a_moved_score_comes_first_with_its_rating_then_target_and_attainment(run: Run) -> None:
    quarter = date(2026, 4, 1)
    agency.change(
        run.home.current.resolve(),
        "insert into scorecards (scope, staff_id, period_grain, period_start, weighted_score, rating)"
        " values ('own', 'M2', 'quarter', '2026-04-01', 109.04, 'A');"
        " insert into scorecard_lines (scope, staff_id, period_grain, period_start, kpi, target, attainment)"
        " values ('own', 'M2', 'quarter', '2026-04-01', 'client_revenue', 2e6, 0.5)",
    )
    told(
        run, "M2",
        SentFigure("own", "M2", "client_revenue", "quarter", quarter, "target", 1e6),
        SentFigure("own", "M2", "client_revenue", "quarter", quarter, "attainment", 1.0),
        SentFigure("own", "M2", None, "quarter", quarter, "score", 101.9),
        SentFigure("own", "M2", None, "quarter", quarter, "rating", "A+"),
        SentFigure("own", "M2", "internal_collaboration_score", "quarter", quarter, "value", 12.0),
    )  # fmt: skip
    # A mail of the month reports what changed in the quarter.
    text = part(mails(run)["M2"], "plain")
    assert text.split("Changed since the last mail ==\n")[1].split("\n\n")[0].splitlines() == [
        "- Weighted score, Q2/2026, Your own: 101.9 A+ → 109.0 A (cause not known any more)",
        "- Client revenue, Q2/2026, Your own: target 1 m ₫ → 2 m ₫; attained 100.0% → 50.0% (cause not known any more)",
    ]


def test_a_mail_remembers_every_figure_that_it_reports_of_periods_that_are_over(run: Run) -> None:
    prepared = prepare(run, "month", "2026-09", (), Options())
    card = next(each for each in prepared.cards if each.recipient.staff_id == "D1")
    sent = {
        FigureKey(each.scope, each.staff_id, each.kpi, each.grain, each.period_start, each.what): each.figure
        for each in card.sent_figures
    }
    with published(run.home, run.settings) as connection:
        seen = current_figures(connection, {("month", date(2026, 9, 1)), ("month", date(2026, 8, 1))})
    assert {key: seen[key] for key in sent if key.period_start >= date(2026, 8, 1)} == {
        key: figure for key, figure in sent.items() if key.period_start >= date(2026, 8, 1)
    }
    september = {(k.scope, k.staff_id, k.what) for k in sent if k.period_start == date(2026, 9, 1)}
    everything = ("value", "target", "attainment", "weight", "score", "rating")
    people = (("team", "D1"), ("own", "D1"), ("own", "M1"), ("own", "M2"))
    assert september == {(*person, what) for person in people for what in everything}
    # The trend of each KPI, and the chart.
    august = {(k.scope, k.staff_id, k.what) for k in sent if k.period_start == date(2026, 8, 1)}
    assert august == {(*person, "value") for person in people} | {("team", "D1", "score"), ("team", "D1", "rating")}


@pytest.mark.usefixtures("rendered_again")
def test_the_same_publication_and_history_give_the_same_bytes(run: Run) -> None:
    for folder in ("one", "two"):
        write_to_outbox(run, run.home.root / folder, period="2026-09", options=Options(workbook=True))
    one, two = ({p.name: p.read_bytes() for p in (run.home.root / f).iterdir()} for f in ("one", "two"))
    assert len(one) == 6
    assert one == two


def test_each_mail_has_the_headers_of_a_machine_s_mail_and_one_reader(run: Run) -> None:
    found = mails(run, operator_email="ops@agency.example")
    assert len({mail["Message-ID"] for mail in found.values()}) == len(found)
    for staff_id, mail in found.items():
        assert [a.addr_spec for a in mail["To"].addresses] == [f"{staff_id.lower()}@agency.example"]
        assert mail["Cc"] is None
        assert mail["Bcc"] is None
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["List-ID"]
        assert mail["List-Unsubscribe"] == f"<mailto:ops@agency.example?subject=unsubscribe%20{staff_id}>"
        assert mail["Reply-To"] == "ops@agency.example"


def test_answers_go_to_the_address_of_the_setting_and_not_to_the_operator(run: Run) -> None:
    options = {"operator_email": "ops@agency.example", "reply_to": "Chị Hoa <hoa@agency.example>"}
    mail = mails(run, to=("M2",), **options)["M2"]
    assert [address.addr_spec for address in mail["Reply-To"].addresses] == ["hoa@agency.example"]
    assert mail["List-Unsubscribe"] == "<mailto:hoa@agency.example?subject=unsubscribe%20M2>"
    assert "To get no more of these mails, answer with the word unsubscribe." in read(part(mail, "html"))


def test_who_asked_for_no_more_mails_gets_none_and_the_operator_sees_it(run: Run) -> None:
    options = Options(unsubscribed=("M2", "nobody"))
    report = write_to_outbox(run, run.home.root / "outbox", period="2026-09", options=options)
    outcomes = {result.staff_id: result.outcome for result in report.results}
    assert outcomes["M2"] == "unsubscribed"
    assert not list((run.home.root / "outbox").glob("*M2*"))
    assert [result.staff_id for result in report.problems] == ["nobody"], "a wrong id is no silent one"
    # Not even when named: only the setting changes it.
    assert (
        write_to_outbox(run, run.home.root / "o", period="2026-09", to=("M2",), options=options).count("written") == 0
    )


def test_a_mail_links_to_the_overview_of_its_language_where_there_are_pages(run: Run, sent: Mails) -> None:
    mail = mails(run, to=("D1", "M2"), pages_url="https://kpi.agency.example/p/")
    for staff_id, language in (("D1", "vi"), ("M2", "en")):
        link = f"https://kpi.agency.example/p/{language}/index.html"
        page = Page(part(mail[staff_id], "html"))
        first, *others = [value for name, value in page.attributes if name == "href"]
        assert first == link
        assert others
        assert all(each.startswith(f"https://kpi.agency.example/p/{language}/") for each in others)
        assert link in part(mail[staff_id], "plain")
    assert "href" not in part(sent["D1"], "html")


def test_a_mail_whose_envelope_and_payload_differ_is_not_sent(run: Run) -> None:
    outbox = run.home.root / "outbox"
    write_to_outbox(run, outbox, period="2026-09")
    content = (outbox / "month_2026-09_M1.eml").read_bytes()
    good = OutgoingMail("M1", "m1@agency.example", "month", "2026-09", "closed", "<m>", "s", content, ())
    good.check()
    for wrong in (
        replace(good, address="m2@agency.example"),
        replace(good, staff_id="M2"),
        replace(good, period="2026-08"),
    ):
        with pytest.raises(AmkpiError, match="names somebody else"):
            wrong.check()


@pytest.mark.slow
def test_a_director_with_forty_people_gets_less_than_gmail_cuts_and_everybody_in_the_pdf(tmp_path: Path) -> None:
    run = agency.run_of(tmp_path)
    people = [agency.Somebody("G1", "Vũ Phương Trâm", "group_account_director")]
    people += [agency.Somebody(f"NV{n:03}", f"Nguyễn Thị Thanh Phương {n}", manager_id="G1") for n in range(1, 41)]
    agency.publish(run.home, people=tuple(people))
    mail = mails(run)["G1"]
    page = part(mail, "html")
    assert 60_000 < len(page.encode()) < MOST_HTML_BYTES
    text, pdf = part(mail, "plain"), PdfReader(io.BytesIO(attached(mail, "pdf")))
    whole = " ".join(" ".join(p.extract_text() for p in pdf.pages).split())
    for somebody in people[1:]:
        assert somebody.full_name in whole
        assert somebody.full_name in text
        assert somebody.full_name in read(page)


def test_nothing_remote_is_loaded(sent: Mails) -> None:
    for mail in sent.values():
        page = part(mail, "html")
        assert not re.search(r"https?://|url\(|@import|@font-face|<script|<link|<iframe", page)


def test_the_status_word_stands_in_every_line_and_is_never_hidden(sent: Mails) -> None:
    page = part(sent["D1"], "html")
    style = page.split("<style>")[1].split("</style>")[0]
    assert "display" not in style
    assert page.count("display:none") == 1, "the preview line alone"
    rows = re.findall(r"<tr [^>]*valign=top[^>]*><th.*?</tr>\n", page, flags=re.DOTALL)
    assert len(rows) >= 16
    for row in rows:
        bare = " ".join(row.replace("&nbsp;", " ").split())
        assert re.search(r" (Đạt|Theo dõi|Chưa đạt|Thiếu dữ liệu|Chưa đặt mục tiêu) ", bare)


def test_a_teams_records_are_those_of_who_was_in_it_that_day_and_names_those_of_who_is_in_it_now(run: Run) -> None:
    # M1 went from Lan's team to Nga's on 20 September; their records are of the 11th, and stay Lan's.
    agency.change(
        run.home.current.resolve(),
        "update dim_staff set manager_id = 'D2' where staff_id = 'M1';"
        "update internal.int_management_chain set valid_to = '2026-09-19'"
        " where staff_id = 'M1' and manager_id = 'D1';"
        "insert into internal.int_management_chain values"
        " ('M1', 'D2', '2026-09-20', '9999-12-31', true, false);",
    )
    found = {staff_id: part(mail, "plain") for staff_id, mail in mails(run).items()}
    attention = {
        staff_id: text.split("\n==")[1] + "".join(re.findall(r"^   - .*$", text, flags=re.MULTILINE))
        for staff_id, text in found.items()
    }
    assert "M1-9-" in attention["D1"], "what counts for the team is named"
    assert agency.DIACRITICS not in found["D1"], "but not whose it is: that is another team now"
    assert "M1-9-" not in attention["D2"], "what was done elsewhere did not count here"
    assert agency.DIACRITICS in found["D2"]


def test_the_records_of_a_value_add_up_to_it(run: Run) -> None:
    with published(run.home, run.settings) as connection:
        facts = read_facts(connection, Period.parse("month", "2026-09"), run)
    late = facts.records_of(ScopeMember("team", "D1"), "on_time_delivery_rate")
    assert {record.staff_id for record in late} == {"D1", "M1", "M2"}
    assert len(late) == 3 * len(agency.HOSTILE)
    assert {r.staff_id for r in facts.records_of(ScopeMember("own", "M1"), "on_time_delivery_rate")} == {"M1"}
    assert len(facts.records_of(ScopeMember("company", None), "on_time_delivery_rate")) == 6 * len(agency.HOSTILE)
