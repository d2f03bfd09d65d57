"""The processes of DNS: in a Pod, beside the cluster, and the add-on's objects."""
