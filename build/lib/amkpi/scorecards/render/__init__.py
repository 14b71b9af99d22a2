"""A composed scorecard as HTML, plain text, PDF, chart and workbook. No figure is computed here, only the layout."""
