"""Faults of the marts: expectation, what it observes (a part), and the statements that plant the fault."""

from __future__ import annotations

OWN_JANUARY = "scope = 'own' and staff_id = 'A1' and period_grain = 'month' and period_start = date '2026-01-01'"
NEWEST_YEAR = "period_grain = 'trailing_12m' and period_end = date '2026-03-31'"
COMPANY_JANUARY = "scope = 'company' and period_grain = 'month' and period_start = date '2026-01-01'"
JANUARY = "period_grain = 'month' and period_start = date '2026-01-01'"
CLOSE_JANUARY = [
    "insert into closing.periods select distinct 1, period_grain, period_start, period_end, period_end + 1"
    f" from marts.kpi_values where {JANUARY}",
    "insert into closing.closings by name select n, period_grain, period_start, period_end from closing.periods",
    f"insert into closing.kpi_values from marts.kpi_values where {JANUARY}",
    f"insert into closing.scorecards from marts.scorecards where {JANUARY}",
]

FAULTS: list[tuple[str, str | None, list[str]]] = [
    (
        "no_loop_in_the_chain_of_managers",
        "2 people: A1 Trần Văn An from 2025-01-01; M1 Nguyễn Thị Minh from 2025-01-01",
        [
            # M1 reports to A1, who reports to M1; R1 is below the loop and not a part of it.
            "insert into intermediate.int_management_chain"
            " (staff_id, manager_id, valid_from, valid_to, is_account_staff, is_loop)"
            " select staff_id, manager_id, date '2025-01-01', date '9999-12-31', true, true"
            " from (values ('A1', 'A1'), ('M1', 'M1'), ('R1', 'M1')) as loops (staff_id, manager_id)"
        ],
    ),
    (
        "no_loop_in_the_chain_of_managers",
        "1 person: R1 Lê Thu Hà from 2025-01-01",
        ["update intermediate.int_management_chain set is_loop = true where staff_id = 'R1'"],
    ),
    (
        "revenue_is_what_the_records_say",
        "1 period: client_revenue month 2026-01-01 shows 127500000.26, records say 127500000.0",
        [f"update marts.kpi_values set value = value * (1 + 2e-9) where kpi = 'client_revenue' and {COMPANY_JANUARY}"],
    ),
    (
        "revenue_is_what_the_records_say",
        None,
        [
            "update marts.kpi_values set value = null, null_reason = 'nothing_due'"
            f" where kpi = 'client_revenue' and {COMPANY_JANUARY}"
        ],
    ),
    (
        # A record outside of every period: only the sum over all months shows it.
        "revenue_is_what_the_records_say",
        "1 period: client_revenue all months shows 285082417.58, records say 405082417.58",
        [
            "insert into kpis.kpi_client_revenue"
            " select * replace (date '2019-05-05' as event_date) from kpis.kpi_client_revenue"
            " where source_id = 'K1'"
        ],
    ),
    (
        "evidence_adds_up_to_the_values",
        "1 value: on_time_delivery_rate A1 month 2026-01-01 is 2.0/2.0, records give 1.0/2.0",
        [
            "update marts.kpi_values set numerator = numerator + 1"
            f" where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"
        ],
    ),
    (
        "evidence_adds_up_to_the_values",
        "1 value: on_time_delivery_rate A1 month 2026-01-01 is 1.0/3.0, records give 1.0/2.0",
        [
            "update marts.kpi_values set denominator = denominator + 1"
            f" where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"
        ],
    ),
    (
        "evidence_adds_up_to_the_values",
        None,
        [f"update marts.kpi_values set numerator = null where kpi = 'client_satisfaction' and {OWN_JANUARY}"],
    ),
    (
        # A record is missing, so the value of each period that contains it is too high.
        "evidence_adds_up_to_the_values",
        None,
        ["delete from kpis.kpi_cost_to_budget_ratio where source_id = 'J1'"],
    ),
    (
        "evidence_adds_up_to_the_values",
        "6 values: ",
        [f"delete from marts.kpi_values where {OWN_JANUARY}"],
    ),
    (
        # Two opposite errors: the sum of the company is the same in every period.
        "evidence_adds_up_to_the_values",
        "2 values: contract_win_rate A1 trailing_12m",
        [
            "update marts.kpi_values set denominator = denominator + case staff_id when 'A1' then 1 else -1 end"
            f" where kpi = 'contract_win_rate' and scope = 'own' and staff_id in ('A1', 'M1') and {NEWEST_YEAR}"
        ],
    ),
    (
        # A small error in an amount of nine digits.
        "evidence_adds_up_to_the_values",
        "1 value: client_revenue A1 trailing_12m",
        [
            "update marts.kpi_values set numerator = numerator + 1"
            f" where kpi = 'client_revenue' and scope = 'own' and staff_id = 'A1' and {NEWEST_YEAR}"
        ],
    ),
    (
        # A row belongs to the wrong person: the count of rows is right.
        "everyone_has_all_eight_kpis",
        "2 sets: ",
        [f"update marts.kpi_values set staff_id = 'M1' where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "everyone_has_all_eight_kpis",
        "1 set: own A1 month 2026-01-01 has 7",
        [f"delete from marts.kpi_values where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "everyone_has_all_eight_kpis",
        "1 set: own A1 month 2026-01-01 has 8",
        [f"update marts.kpi_values set kpi = 'kindness' where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "numbers_are_finite",
        "1 row: client_revenue own A1 month 2026-01-01",
        [f"update marts.kpi_values set value = 'inf' where kpi = 'client_revenue' and {OWN_JANUARY}"],
    ),
    (
        "numbers_are_finite",
        "1 row: client_revenue company month 2026-01-01",
        [f"update marts.kpi_values set numerator = 'nan' where kpi = 'client_revenue' and {COMPANY_JANUARY}"],
    ),
    (
        "null_exactly_with_a_reason",
        "1 row: on_time_delivery_rate own A1 month 2026-01-01",
        [f"update marts.kpi_values set value = null where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"],
    ),
    (
        "null_exactly_with_a_reason",
        "1 row: on_time_delivery_rate own A1 month 2026-01-01",
        [
            "update marts.kpi_values set null_reason = 'nothing_due'"
            f" where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"
        ],
    ),
    (
        "ratios_between_0_and_1",
        "1 row: contract_win_rate own A1 month 2026-01-01: 1.01",
        [f"update marts.kpi_values set value = 1.01 where kpi = 'contract_win_rate' and {OWN_JANUARY}"],
    ),
    (
        "ratios_between_0_and_1",
        "1 row: client_retention_rate own A1 month 2026-01-01: -0.01",
        [f"update marts.kpi_values set value = -0.01 where kpi = 'client_retention_rate' and {OWN_JANUARY}"],
    ),
    (
        "collaboration_between_0_and_100",
        "1 row: internal_collaboration_score own A1 month 2026-01-01: 100.5",
        [f"update marts.kpi_values set value = 100.5 where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "periods_span_their_grain",
        "1 period: month 2026-01-01 to 2026-02-01",
        [f"update marts.kpi_values set period_end = date '2026-02-01' where {OWN_JANUARY}"],
    ),
    (
        "periods_span_their_grain",
        "1 period: fortnight 2026-01-01 to 2026-01-31",
        [
            "update marts.kpi_values set period_grain = 'fortnight'"
            " where scope = 'team' and period_grain = 'month' and period_start = date '2026-01-01'"
        ],
    ),
    (
        "scores_between_0_and_the_cap",
        None,
        [f"update marts.scorecards set weighted_score = 120.001 where {OWN_JANUARY}"],
    ),
    (
        "scores_between_0_and_the_cap",
        None,
        [f"update marts.scorecards set weighted_score = -0.1 where {OWN_JANUARY}"],
    ),
    (
        "scores_between_0_and_the_cap",
        None,
        [f"update marts.scorecards set weighted_score = 'nan' where {OWN_JANUARY}"],
    ),
    (
        "ratings_are_of_the_bands",
        "E",
        [f"update marts.scorecards set rating = 'E' where {OWN_JANUARY}"],
    ),
    (
        "every_row_read_is_loaded_or_quarantined",
        "1 file: clients/clients.csv as clients read 2, loaded 1, quarantined 0",
        ["update marts.load_ledger set rows_loaded = 1 where extract = 'clients'"],
    ),
    (
        "every_row_read_is_loaded_or_quarantined",
        "1 file: clients/clients.csv as clients read 2, loaded 3, quarantined -1",
        ["update marts.load_ledger set rows_loaded = 3, rows_quarantined = -1 where extract = 'clients'"],
    ),
    (
        "every_row_read_is_loaded_or_quarantined",
        None,
        ["update marts.load_ledger set status = 'duplicate' where extract = 'clients'"],
    ),
    (
        "closed_and_adjustments_give_the_computed_values",
        "1 value: on_time_delivery_rate own A1 month 2026-01-01 gives 2.0/2.0, computed 1.0/2.0",
        [
            *CLOSE_JANUARY,
            "update closing.kpi_values set numerator = numerator + 1"
            f" where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}",
        ],
    ),
    (
        "closed_and_adjustments_give_the_computed_values",
        "1 value: on_time_delivery_rate own A1 month 2026-01-01 gives 1.0/3.0, computed 1.0/2.0",
        [
            *CLOSE_JANUARY,
            "insert into closing.adjustments by name select kpi, scope, staff_id, period_grain, period_start,"
            " 0 as numerator, 1 as denominator, 0 as sample_size"
            f" from marts.kpi_values where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}",
        ],
    ),
    (
        "closed_rows_have_a_key",
        "1 key: scorecards own A1 month 2026-01-01",
        [*CLOSE_JANUARY, f"insert into closing.scorecards from marts.scorecards where {OWN_JANUARY}"],
    ),
    (
        "closed_rows_have_a_key",
        "1 key: scorecards own A1 month 2026-01-01",
        [f"insert into closing.scorecards from marts.scorecards where {OWN_JANUARY}"],
    ),
]
