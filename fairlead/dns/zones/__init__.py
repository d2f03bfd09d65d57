"""The cluster's zone: records of Services and Pods, their names and rotation, and the answers from them. Pure."""
