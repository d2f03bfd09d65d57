"""The client side of the commands: sends requests to the API server and renders the answers."""
