"""The audit: what is expected of deliveries, of the agency's data and of the marts, and whether it is so."""

from amkpi.expectations.deferred import defer

# Before any module of the package imports Great Expectations.
defer()
