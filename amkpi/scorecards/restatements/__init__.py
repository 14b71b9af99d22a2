"""What mails reported of periods that were over, and readers see otherwise now.

`lines` finds the figures that differ, `causes` finds why and which records are behind them, `source_rows` what happened
to the rows of the extracts, and `mart` makes the rows of `marts.restatements`.
"""
