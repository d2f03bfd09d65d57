"""stub"""
def warm() -> None: ...
def main(*a, **k):
    import time
    time.sleep(10000)
