"""Numbered changes that bring a HOME of an earlier version up to date.

A HOME has three things with a layout of their own, each with its list of migrations and its recorded number:

- the folders and files of HOME (`home_layout.py`, recorded in `state/layout.json`);
- each state store (`state_stores.py`, recorded in SQLite's `user_version`);
- the warehouse (`warehouse.py`, recorded in the table `raw.warehouse_layout`).

Version 0.1.0 recorded no number: what it left has layout 1. A new thing is made with the newest layout.

To change a layout, append a migration to its list: a number, one line for people, and a function that makes the change.
A migration is never edited after a release. It must not use the code of today, which may change: its SQL is in it.
"""
