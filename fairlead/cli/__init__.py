"""The client side of the commands: talks to the API server like any client and renders what it answers."""
