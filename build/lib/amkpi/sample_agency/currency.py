"""Exchange rates and amounts as text."""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass

from amkpi.sample_agency.timeline import Day, Window, iso, month_at

REPORTING = "VND"


@dataclass(frozen=True)
class _Quote:
    """How a currency is quoted: VND for one unit on 2024-01-01, drift a year, size of its waves, weekly or monthly."""

    start: float
    drift: float
    wave: float
    is_weekly: bool
    decimals: int


_QUOTES = {
    "USD": _Quote(24_300, 0.028, 0.008, True, 2),
    "EUR": _Quote(26_400, 0.055, 0.025, True, 2),
    "JPY": _Quote(166, 0.012, 0.035, False, 4),
    "SGD": _Quote(18_300, 0.036, 0.012, False, 2),
}
_ORIGIN = 738_886  # 2024-01-01
# Amounts are round: to a million VND for contracts, and to about as much in other currencies.
_STEPS = {"VND": 1_000_000.0, "USD": 50.0, "EUR": 50.0, "JPY": 5_000.0, "SGD": 50.0}


class Rates:
    """Reporting-currency units for one unit of a currency, by day."""

    def __init__(self, seed: int, window: Window) -> None:
        self._days: dict[str, list[Day]] = {}
        self._rates: dict[str, list[float]] = {}
        for currency, quote in _QUOTES.items():
            rng = random.Random(f"{seed}:fx:{currency}")
            # Rates begin before the first record can ask for one.
            begin = month_at(window.first_month - 2).first
            if quote.is_weekly:
                days = list(range(begin + (-begin - 6) % 7, window.as_of + 1, 7))
            else:
                days = [month_at(index).first for index in range(window.first_month - 2, window.last_month + 1)]
            phase, noise, rates = rng.random() * math.tau, 0.0, []
            for day in days:
                noise = 0.9 * noise + rng.gauss(0, 0.003)
                years = (day - _ORIGIN) / 365.25
                waves = quote.wave * math.sin(phase + math.tau * years / 1.7)
                rates.append(round(quote.start * (1 + quote.drift) ** years * (1 + waves + noise), quote.decimals))
            self._days[currency], self._rates[currency] = days, rates

    def rows(self) -> list[tuple[str, ...]]:
        """The extract `fx_rates`."""
        return [
            (currency, iso(day), str(rate))
            for currency in self._days
            for day, rate in zip(self._days[currency], self._rates[currency], strict=True)
        ]

    def rate(self, currency: str, day: Day) -> float:
        """The latest rate on or before the day."""
        if currency == REPORTING:
            return 1.0
        return self._rates[currency][bisect_right(self._days[currency], day) - 1]

    def amount(self, vnd: float, currency: str, day: Day, fineness: int = 1) -> str:
        """An amount of VND as a round amount of another currency; `fineness` 10 rounds to a tenth of the usual step."""
        if currency == REPORTING:
            step = 1_000_000 // fineness
            return str(round(vnd / step) * step)
        step_of = _STEPS[currency] / fineness
        units = round(vnd / self.rate(currency, day) / step_of) * step_of
        return str(int(units)) if currency == "JPY" else f"{units:.2f}"
