"""The sections that pages share: the frame, scorecards, matrices, to-dos, and tables of records."""
