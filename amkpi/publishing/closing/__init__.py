"""Closing a period: what was published of it stays, and what is learned later is shown as adjustments.

- `register` (in `amkpi.core.storage.closing_register`): the chained lines of HOME/state/closings.jsonl.
- `files`: a closing file, its content and how it is written.
- `acts`: close, reopen, and what a killed process left.
- `verification`: files, register and publication fit each other.
- `warehouse`: what the build and the publication read of closings.
- `sums`, `adjustments`, `changes`, `causes`: what was learned since, and why.
"""
