"""Words that mails, pages and `amkpi explain` share, by the code that the marts have for them."""

from __future__ import annotations

from collections.abc import Mapping

from amkpi.core.language.translator import Message

# `status` of scorecard_lines; `still_open` instead of off_target where undecided records can still reach the target,
# `too_early` instead of at_risk and off_target in the first days of a period.
STATUS: Mapping[str, Message] = {
    "on_target": Message("On target"),
    "at_risk": Message("At risk"),
    "off_target": Message("Off target"),
    "still_open": Message("Still open"),
    "too_early": Message("Too early"),
    "no_target": Message("No target"),
    "no_data": Message("No data"),
}
# `cause` of adjustments, adjusted_scores and restatements.
CAUSE: Mapping[str, Message] = {
    "late_rows": Message("rows that came late"),
    "corrected_rows": Message("rows that were corrected"),
    "deleted_rows": Message("rows that were deleted"),
    "released_rows": Message("rows released from quarantine"),
    "happened_since": Message("happened since"),
    "decided_since": Message("proposals decided since"),
    "targets_changed": Message("targets changed"),
    "settings_changed": Message("another setting"),
    "version_changed": Message("another version"),
    "reopened": Message("the closing was reopened"),
}
# `industry` of clients, which is free text: the codes that exports have most often, in lower case with underscores.
INDUSTRY: Mapping[str, Message] = {
    "automotive": Message("Automotive"),
    "beauty": Message("Beauty"),
    "education": Message("Education"),
    "fashion": Message("Fashion"),
    "finance": Message("Finance"),
    "fmcg": Message("Consumer goods (FMCG)"),
    "healthcare": Message("Healthcare"),
    "logistics": Message("Logistics"),
    "real_estate": Message("Real estate"),
    "retail": Message("Retail"),
    "tech": Message("Technology"),
    "technology": Message("Technology"),
    "travel": Message("Travel"),
}
# `kind` of contracts and proposals.
KIND: Mapping[str, Message] = {
    "new_business": Message("new business"),
    "renewal": Message("renewal"),
    "upsell": Message("upsell"),
    "cross_sell": Message("cross-sell"),
}
