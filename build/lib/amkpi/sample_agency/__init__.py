"""A realistic, seeded agency, written as the eleven extracts (`amkpi sample`)."""

from amkpi.sample_agency.agency import write_sample

__all__ = ["write_sample"]
