"""Exports in the shapes that other systems write, as they come: each by a mapping of at most 25 lines.

The files are not part of the project. The tests skip where they are absent; the same features have tests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from amkpi.ingestion.validation.row_checks import check_rows
from tests.conftest import Agency
from tests.paths import EXPORT_SHAPES as SHAPES

MOST_LINES = 25
BASE = {
    "clients/base.csv": "client_id,client_name\nKH001,Hoa Mai\nKH002,Á Đông\n",
    "staff/base.csv": "staff_id,valid_from,full_name,email,role,is_active\n"
    "NV001,2023-01-01,Trần Thị Ngọc Ánh,anh@agency.example,account_manager,yes\n"
    "NV002,2023-01-01,Lê Bình,b@agency.example,account_manager,yes\n",
    "projects/base.csv": "project_id,client_id,project_name,start_date,committed_due_date,currency\n"
    "DA01,KH001,Web,2024-01-01,2024-12-31,VND\nDA02,KH002,TVC,2024-01-01,2024-12-31,VND\n",
    "fx_rates/base.csv": "currency,rate_date,rate\nUSD,2020-01-01,24000\n",
}
FORM = """file: "*.{ending}"
extract: {extract}
{keys}columns:
{columns}"""
COST = """  cost_id: {id}
  project_id: {project}
  cost_date: {day}
  amount: {amount}
  currency: {currency}
"""


def costs(
    keys: str = "",
    *,
    id: str = "Mã",
    project: str = "Dự án",
    day: str = "Ngày",
    amount: str = "Số tiền",
    currency: str = "{ constant: VND }",
    file: str = "chi*",
) -> str:
    """A mapping of project costs."""
    columns = COST.format(id=id, project=project, day=day, amount=amount, currency=currency)
    return f'file: "{file}"\nextract: project_costs\n{keys}columns:\n{columns}'


@dataclass(frozen=True)
class Shape:
    """A folder of files with the mapping for them, and what comes of them.

    columns: of the valid rows, in the order of the lines; held: line, reason and column of the rows that are held back.
    skipped: the rows above the header, in the footer, and filtered. text: in the reason or notes of a delivery.
    """

    folder: str
    mapping: str
    columns: str
    rows: list[tuple[object, ...]]
    held: list[tuple[object, ...]] = field(default_factory=list)
    skipped: tuple[int, int, int] = (0, 0, 0)


SHAPES_OF_EXPORTS = [
    Shape(
        "01_salesforce_report",
        """file: "report*.csv"
extract: proposals
stop_at: { column: Account Name, matches: "^Total$" }
columns:
  proposal_id: Opportunity ID
  client_id: Account Name
  owner_id: Opportunity Owner
  kind: { column: Type, values: { New Business: new_business, Existing Business: upsell } }
  amount: { column: Amount, number: en }
  currency: Amount Currency
  sent_date: { column: Created Date, date_format: M/d/yyyy }
  outcome: { column: Stage, values: { won: [Closed Won], lost: [Closed Lost], otherwise: open } }
  decided_date: { column: Close Date, date_format: M/d/yyyy }
""",
        "proposal_id, outcome, amount, cast(sent_date as varchar), cast(decided_date as varchar)",
        [
            ("006A001", "won", 450e6, "2024-04-12", "2024-05-03"),
            ("006A002", "open", 120e6, "2024-05-20", "2024-06-30"),
        ],
        # Blank lines are no rows.
        skipped=(0, 4, 0),
    ),
    Shape(
        "02_misa_title",
        """file: "*danh_sach_khach_hang*.xlsx"
extract: clients
header: { contains: [STT, Mã khách hàng] }
stop_at: { column: STT, matches: "^Tổng" }
columns:
  client_id: Mã khách hàng
  client_name: Tên khách hàng
  industry: Nhóm KH
""",
        "client_id, client_name",
        [("KH010", "Công ty TNHH Hoa Mai"), ("KH011", "Cty CP Á Đông")],
        skipped=(2, 1, 0),
    ),
    Shape(
        "04_qualtrics",
        """file: "*peer+review*.csv"
extract: peer_reviews
skip_after_header: 2
unpivot: { name: Who, rows: { NV001: { T: Q2_1, M: Q2_2 }, NV002: { T: Q3_1, M: Q3_2 } } }
where: '"Status" = ''IP Address'''
columns:
  review_id: { id_from: [ResponseId, Who] }
  account_manager_id: Who
  reviewer_id: ResponseId
  reviewer_department: Q1
  review_date: { column: EndDate, date_format: iso }
  teamwork_score: T
  project_management_score: M
  scale_min: { constant: 1 }
  scale_max: { constant: 5 }
time_zone: as_written
""",
        "account_manager_id, reviewer_id, teamwork_score, project_management_score",
        [
            ("NV001", "R_1", 4.0, 5.0),
            ("NV001", "R_3", 2.0, None),
            ("NV002", "R_1", 3.0, 4.0),
            ("NV002", "R_3", 4.0, 5.0),
        ],
        skipped=(2, 0, 2),
    ),
    Shape(
        "m10_wide_reviews",
        """file: "peer*.csv"
extract: peer_reviews
unpivot:
  name: Who
  rows: { NV001: { T: Ánh - teamwork, M: Ánh - PM }, NV002: { T: Bình - teamwork, M: Bình - PM } }
columns:
  review_id: { id_from: [Timestamp, Người đánh giá, Who] }
  account_manager_id: Who
  reviewer_id: Người đánh giá
  reviewer_department: Bộ phận
  review_date: { column: Timestamp, date_format: "d/M/yyyy H:mm:ss" }
  teamwork_score: T
  project_management_score: M
  scale_min: { constant: 1 }
  scale_max: { constant: 5 }
""",
        "account_manager_id, teamwork_score, project_management_score, cast(review_date as varchar)",
        [("NV001", 4.0, 5.0, "2024-03-09"), ("NV002", 3.0, 4.0, "2024-03-09")],
    ),
    Shape(
        "05_jira",
        """file: "jira*.csv"
extract: projects
columns:
  project_id: Issue key
  client_id: Labels#1
  owner_id: Assignee
  project_name: { sql: '"Summary" || coalesce('' / '' || "Sprint#2", '''')' }
  start_date: { column: Created, date_format: "dd/MMM/yy h:mm a" }
  committed_due_date: { column: Due Date, date_format: "dd/MMM/yy h:mm a" }
  delivered_date: { column: Resolved, date_format: "dd/MMM/yy h:mm a" }
  budget_amount: Custom field (Budget)
  currency: { constant: VND }
""",
        "project_id, client_id, project_name, cast(delivered_date as varchar)",
        [("PRJ-1", "KH001", "Landing page / Sprint 2", "2024-02-28"), ("PRJ-2", "KH002", "TVC hè", None)],
    ),
    Shape(
        "06_utc_moments",
        """file: "hubspot-crm-exports-deals*.csv"
extract: proposals
time_zone: local
columns:
  proposal_id: Record ID
  client_id: { sql: 'regexp_extract("Associated Company IDs", ''KH[0-9]+|^[^;]*$'')' }
  owner_id: Deal owner
  kind: { constant: new_business }
  amount: Amount
  currency: { constant: USD }
  sent_date: { column: Create Date, date_format: iso }
  outcome: { column: Deal Stage, values: { Closed Won: won, Closed Lost: lost, otherwise: open } }
  decided_date: { column: Close Date, date_format: iso }
""",
        "proposal_id, client_id, cast(sent_date as varchar), cast(decided_date as varchar)",
        [("7002", "KH002", "2024-03-05", "2024-03-20")],
        held=[(2, "unknown_reference", "client_id")],
    ),
    Shape(
        "m16_offsets",
        """file: "hs*.csv"
extract: contracts
time_zone: local
columns:
  contract_id: Record ID
  client_id: Company
  kind: { constant: new_business }
  signed_date: { column: Close Date, date_format: iso }
  start_date: { column: Create Date, date_format: iso }
  end_date: { constant: 2024-12-31 }
  amount: { constant: 100 }
  currency: { constant: VND }
""",
        "contract_id, cast(signed_date as varchar), cast(start_date as varchar)",
        [("1", "2024-04-01", "2024-03-01"), ("2", "2024-04-01", "2024-03-01")],
    ),
    Shape(
        "08_vi_csv",
        costs(
            id="Mã chi phí",
            project="Mã dự án",
            day='{ column: Ngày chi, date_format: [d/M/yyyy, d/M/yy, "yyyy-MM-dd HH:mm:ss", excel] }',
            amount="{ column: Số tiền, number: vi }",
            currency="{ column: Loại tiền, values: { VND: [đ, VNĐ] } }",
        ),
        "cost_id, amount, cast(cost_date as varchar), currency",
        [
            ("CP01", 1234567.89, "2024-03-05", "VND"),
            ("CP02", -950000.0, "2024-03-05", "VND"),
            ("CP03", 12500000.0, "2024-03-05", "VND"),
            ("CP04", 450000.0, "2024-03-05", "VND"),
            ("CP05", 450000.0, "2024-03-06", "VND"),
        ],
    ),
    Shape(
        "11_harvest_noid",
        costs(
            id="{ id_from: [Date, Project Code, Task, Notes, Hours, First Name, Last Name] }",
            project="Project Code",
            day="Date",
            amount="Cost Amount",
            currency="{ sql: 'right(\"Currency\", 3)' }",
            file="harvest_time_report*.csv",
        ),
        "amount, currency",
        [(40.0, "USD"), (40.0, "USD"), (20.0, "USD")],
    ),
    Shape(
        "12_snapshot_parts",
        'file: "all_clients*.csv"\nextract: clients\nsnapshot: true\ncolumns:\n  client_id: Id\n  client_name: Name\n',
        "client_id",
        [("SF1",), ("SF3",), ("SF2",), ("SF4",)],
    ),
    Shape(
        "13_invisible",
        """file: "deals*.csv"
extract: proposals
columns:
  proposal_id: ID
  client_id: Khách
  kind: { column: Loại, values: { Mới: new_business } }
  amount: Giá trị
  currency: { constant: VND }
  sent_date: Ngày gửi
  outcome: { column: Giai đoạn, values: { "Đã ký": won } }
  decided_date: Ngày chốt
""",
        "proposal_id, client_id, outcome",
        [("D1", "KH001", "won"), ("D2", "KH001", "won"), ("D3", "KH002", "won"), ("D4", "KH002", "won")],
    ),
    Shape(
        "14_nfd",
        """file: "*khách hàng*.csv"
extract: clients
where: '"Trạng thái" = ''Đang hợp tác'''
columns:
  client_id: Mã
  client_name: Tên
""",
        "client_id, client_name",
        [("KH020", "Nguyễn Văn Ân")],
        skipped=(0, 0, 1),
    ),
    Shape(
        "16_merged_formula",
        """file: "du_an*.xlsx"
extract: projects
fill_down: [Phụ trách]
columns:
  project_id: Mã DA
  client_id: Khách
  owner_id: Phụ trách
  project_name: Tên
  start_date: Bắt đầu
  committed_due_date: Hạn
  agreed_due_date: Hạn mới
  agreed_on: Đồng ý
  delivered_date: Bàn giao
  budget_amount: Ngân sách
  currency: { constant: VND }
""",
        "project_id, owner_id",
        [("DA32", "NV002"), ("DA33", "NV002")],
        held=[(2, "bad_type", "agreed_due_date")],
    ),
    Shape(
        "17_xlsx_formats",
        costs(
            'stop_at: { column: Mã, matches: "^Tổng" }\n',
            day="{ column: Ngày, date_format: [dd/MM/yyyy, excel] }",
            amount="{ column: Số tiền, number: vi }",
        ),
        "cost_id, cast(cost_date as varchar), amount",
        [
            ("1", "2024-03-05", 1500001.0),
            ("2", "2024-03-05", 1500002.0),
            ("3", "2024-03-05", 1500003.0),
            ("CP4", "2024-03-25", 0.0),
            ("CP5", "2024-03-05", 1500000.0),
            ("CP6", "2024-03-05", 7.0),
        ],
        skipped=(0, 1, 0),
    ),
    Shape(
        "18_mixed_dates",
        costs(day="{ column: Ngày, date_format: dd/MM/yyyy }", file="mix*.xlsx"),
        "cost_id, cast(cost_date as varchar)",
        [("M1", "2024-03-25"), ("M2", "2024-05-03"), ("M3", "2024-12-31")],
    ),
    Shape(
        "21_odoo",
        """file: "sale.order*.csv"
extract: contracts
fill_down: [Order Reference, Customer, Salesperson, Order Date, Currency]
duplicates: sum(amount)
time_zone: local
written_in: UTC
columns:
  contract_id: Order Reference
  client_id: Customer
  owner_id: Salesperson
  kind: { constant: new_business }
  signed_date: { column: Order Date, date_format: iso }
  start_date: { column: Order Date, date_format: iso }
  end_date: { constant: 2024-12-31 }
  amount: Order Lines/Subtotal
  currency: Currency
""",
        "contract_id, amount",
        [("SO001", 150e6), ("SO002", 70e6)],
    ),
    Shape(
        "22_google_forms",
        """file: "Khảo sát*.csv"
extract: client_surveys
time_zone: local
columns:
  response_id: { id_from: [Dấu thời gian, Khách hàng] }
  client_id: Khách hàng
  sent_date: { column: Dấu thời gian, date_format: ["d/M/yyyy h:mm:ss a", "yyyy/MM/dd h:mm:ss a 'GMT'X"] }
  responded_date: { column: Dấu thời gian, date_format: ["d/M/yyyy h:mm:ss a", "yyyy/MM/dd h:mm:ss a 'GMT'X"] }
  score: { sql: 'split_part("Mức độ hài lòng chung", '' - '', 1)' }
  scale_min: { constant: 1 }
  scale_max: { constant: 5 }
""",
        "client_id, cast(responded_date as varchar), score",
        [("KH001", "2024-03-09", 5.0), ("KH002", "2024-03-09", 4.0), ("KH002", "2024-03-09", 2.0)],
    ),
    Shape("23_trailing", costs(), "cost_id, amount", [("T1", 100.0), ("T2", 200.0)]),
    Shape(
        "28_second_sheet",
        costs("sheet: Chi tiết\n", id="Mã chi phí", project="Mã dự án", day="Ngày chi", amount="Số tiền (VND)"),
        "cost_id, amount",
        [("N1", 100.0)],
    ),
    Shape(
        "29_forms_xlsx",
        """file: "form*.xlsx"
extract: client_surveys
time_zone: local
columns:
  response_id: { id_from: [Timestamp, Client] }
  client_id: Client
  sent_date: { column: Timestamp, date_format: [iso, excel] }
  responded_date: { column: Timestamp, date_format: [iso, excel] }
  score: Score
  scale_min: { constant: 1 }
  scale_max: { constant: 5 }
""",
        "client_id, cast(responded_date as varchar), score",
        [("KH001", "2024-09-03", 5.0), ("KH002", "2024-09-04", 4.0), ("KH002", "2024-09-04", 4.0)],
    ),
    Shape(
        "37_asana",
        """file: "asana*.csv"
extract: projects
header: { row: 4 }
columns:
  project_id: Task ID
  client_id: Section/Column
  owner_id: { column: Assignee Email, lookup: { extract: staff, by: email } }
  project_name: Name
  start_date: Start Date
  committed_due_date: Due Date
  delivered_date: Completed At
  currency: { constant: VND }
""",
        "project_id, client_id, owner_id, project_name",
        [("1", "KH001", "NV001", "Landing")],
        skipped=(3, 0, 0),
    ),
    Shape(
        "m03_xlsx_vi_numbers",
        costs(amount="{ column: Số tiền, number: vi }"),
        "cost_id, amount",
        [("X1", 1.5e6), ("X2", 1.5e6), ("X3", 12.125), ("X4", 1234.5), ("X5", 0.375), ("X6", 450.125)],
    ),
    Shape(
        "m05_misa_cost",
        costs(
            "header: { row: 5, height: 2 }\nstop_at: { column: Mã chi phí, matches: '^(Tổng|Số dòng)|^$' }\n",
            id="Mã chi phí",
            project="Mã dự án",
            day="{ column: Ngày hạch toán, date_format: dd/MM/yyyy }",
            amount="{ column: Số tiền / Nợ, number: vi }",
            file="bao_cao*.xlsx",
        ),
        "cost_id, amount",
        [("CP1", 1e6), ("CP2", 2e6)],
        skipped=(3, 2, 0),
    ),
]


def load(agency: Agency, shape: Shape) -> None:
    folder = SHAPES / shape.folder
    agency.home.sources.mkdir(parents=True, exist_ok=True)
    (agency.home.sources / f"{shape.folder}.yml").write_text(shape.mapping, encoding="utf-8")
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".yml"}
    report = agency.load({**BASE, **files})
    loaded = [each for each in report.deliveries if each.source == shape.folder]
    assert [(each.status, each.reason) for each in loaded] == [("loaded", None)] * len(files)
    skipped = agency.rows(
        "select sum(rows_skipped_above), sum(rows_skipped_footer), sum(rows_skipped_filtered) from raw.ledger"
        f" where source = '{shape.folder}'"
    )
    assert skipped == [shape.skipped]
    with agency.warehouse() as connection:
        check_rows(connection, "VND")


@pytest.mark.skipif(not SHAPES.is_dir(), reason="the shapes of exports are not on this machine")
@pytest.mark.parametrize("shape", SHAPES_OF_EXPORTS, ids=lambda shape: shape.folder)
def test_an_export_gives_its_right_rows(agency: Agency, shape: Shape) -> None:
    assert len(shape.mapping.splitlines()) <= MOST_LINES
    load(agency, shape)
    extract = next(line for line in shape.mapping.splitlines() if line.startswith("extract:")).split()[1]
    of_source = f"_delivery in (select delivery from raw.ledger where source = '{shape.folder}')"
    found = agency.rows(f"select {shape.columns} from valid.{extract} where {of_source} order by _line, _delivery")
    assert found == shape.rows
    held = agency.rows(f"select _line, reason, column_name from validation.quarantine where {of_source} order by 1")
    assert held == shape.held
