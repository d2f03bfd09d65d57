"""stub"""
def warm() -> None: ...
def main(config, paths, *, sockets, channel):
    import time
    channel.send({"event":"ready","what":"api","text":"API"}); channel.send({"event":"ready","what":"nodes","text":"nodes Ready"})
    time.sleep(10000)
