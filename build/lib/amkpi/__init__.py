"""The KPI pipeline's command line, settings and steps."""

__version__ = "0.1.0"
