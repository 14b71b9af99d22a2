"""The group's view of many agencies: built, published and mailed from what each agency has published."""
