"""The chart of a mail: the weighted score of six periods as PNG."""

from __future__ import annotations

import io
from pathlib import Path

from amkpi.scorecards.model import ScoreBar, Scorecard

FONTS = Path(__file__).resolve().parent / "fonts"


def chart(card: Scorecard) -> bytes:
    """The chart on the dark ground of the mail's head, so that it looks the same in light and dark mode."""
    from PIL import Image, ImageDraw, ImageFont

    width, height, floor = 920, 350, 290
    image = Image.new("RGB", (width, height), "#14213d")
    draw = ImageDraw.Draw(image)
    bold = ImageFont.truetype(str(FONTS / "NotoSans-Bold.ttf"), 33)
    small = ImageFont.truetype(str(FONTS / "NotoSans-Regular.ttf"), 30)
    draw.text((0, 0), card.chart_title, font=small, fill="#c9d4e8")
    slot = width / len(card.chart)
    draw.line((0, floor, width, floor), fill="#4a5f8a", width=2)
    for place, bar in enumerate(card.chart):
        middle = slot * (place + 0.5)
        last = place == len(card.chart) - 1
        draw.text((middle, floor + 8), bar.period, font=small, fill="#c9d4e8", anchor="ma")
        share = bar_height(bar.score, card.chart)
        rise = floor - 4 if share is None else floor - 160 * share
        if share is not None:
            box = (middle - 40, min(rise, floor - 3), middle + 40, floor)
            draw.rectangle(box, fill="#8fb3f0" if last else "#4f6ea8")
        label = bar.text + (f" {bar.rating}" if bar.rating else "")
        draw.text((middle, rise - 8), label, font=bold, fill="#ffffff", anchor="md")
    out = io.BytesIO()
    image.quantize(32, method=Image.Quantize.FASTOCTREE).save(out, "PNG", compress_level=9)
    return out.getvalue()


def bar_height(score: float | None, bars: tuple[ScoreBar, ...]) -> float | None:
    """The height of a bar from 0 to 1: a share of the highest score, or of 100 where all scores are lower."""
    top = max([100.0, *(bar.score for bar in bars if bar.score is not None)])
    return None if score is None else max(0.0, score) / top
