"""Names: does the object exist, and does the cluster's DNS lead to it?"""
