"""Gives a Pod range to each Node that was created without one; Fairlead's own nodes bring theirs."""
