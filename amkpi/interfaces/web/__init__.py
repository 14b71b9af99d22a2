"""`amkpi serve`: the pages of the current publication over HTTP, for readers who have signed in.

A request passes `shield` (headers, origin, access log), then a route of `application`. `sign_in` finds out who a reader
is, `amkpi.access` what that reader may see, and `amkpi.pages` what the page says.
"""
