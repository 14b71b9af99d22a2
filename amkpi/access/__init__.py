"""Who sees what: the one place that pages, mails and exports ask."""
