"""APIServices: groups and versions that Services of the cluster serve instead of this server.

`local` shows the groups of this server as APIServices; `registry` knows the others and sends their requests to them;
`availability` checks that they answer; `discovery` adds them to the documents of this server.
"""
