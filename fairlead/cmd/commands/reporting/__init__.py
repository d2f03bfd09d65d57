"""Commands that show the state and the logs of clusters."""
