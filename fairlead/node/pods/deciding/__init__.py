"""Pure decisions about a Pod: its state, the next action, its status, and what these nodes ignore."""
