"""The to-dos of a scorecard: the KPIs that cost the most points, with the records behind each and their state."""
