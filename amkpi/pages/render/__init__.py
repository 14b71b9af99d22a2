"""The content of a page as HTML. No figure is computed here, only the layout."""
