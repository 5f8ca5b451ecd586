from explorer.events import time_left


def test_time_left_is_rough() -> None:
    assert time_left(None) == ""
    assert time_left(4) == "a few seconds left"
    assert time_left(62) == "about 60 seconds left"
    assert time_left(600) == "about 10 minutes left"
    assert time_left(9000) == "about 2.5 hours left"
