"""Changes the number of a workload's pods by metrics, for each HorizontalPodAutoscaler."""
