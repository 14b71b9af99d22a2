"""From facts to the content of a mail: one module for each section, put together by `scorecard.compose`.

To add a section: a module here that returns its part of `Scorecard`, a field in `amkpi/scorecards/model.py`, a call in
`scorecard.py`, and one block in each template of `amkpi/scorecards/render/templates/`.
"""
