"""The log of one process."""

import logging

from loop.runtime import log


def test_a_second_log_closes_the_first(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        log.set_up(tmp_path / name)
        if name == "one":
            (first,) = logging.getLogger().handlers
    assert first.stream is None
