"""From the facts that a reader may see to the content of a page: a module for each kind of page."""
