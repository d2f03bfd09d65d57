"""The Pod Security Standards: three levels of what Pods may do, chosen by labels of their namespace."""
