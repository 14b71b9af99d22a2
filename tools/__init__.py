"""Tools for the developers of this project; no part of the product, and not in the wheel.

- `tools/docs/` writes the generated pages of docs/ (`make docs`, `make docs-check`, `make docs-site`).
- `tools/pictures/` makes the screenshots of mails and of the terminal in docs/pictures/ (`make scorecards`).
- `tools/benchmarks/` measures time and memory against one plain DuckDB script (`make bench`).
"""
