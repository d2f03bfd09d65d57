"""The way out of the cluster: TCP and UDP from Pods to other machines, if `fairlead up --egress` asks for it.

`rules` leads packets with foreign destinations to sockets of the relay; `tcp` and `udp` carry what arrives there;
`policy` decides, in the supervisor, which destinations it dials. Rejected: pasta and slirp4netns (decision 36).
"""
