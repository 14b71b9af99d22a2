"""Child processes of this program."""
