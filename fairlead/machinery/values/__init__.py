"""Values that stand alone: names, quantities, selectors, statuses and the texts of errors."""
