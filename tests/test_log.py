"""The log of one process."""

import logging

import structlog

from loop.runtime import log


def test_a_second_log_closes_the_first(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        log.set_up(tmp_path / name)
        if name == "one":
            (first,) = logging.getLogger().handlers
    assert first.stream is None


def test_no_secret_reaches_the_log(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "correct horse battery 1")
    path = log.set_up(tmp_path)
    told = {
        "deep": ["sk-live-abcdefgh12345678", ("correct horse battery 1",)],
        "path": tmp_path / "hf_abcdefghijkl12345678",
    }
    structlog.get_logger().info("happened", policy="0123456789abcdef" * 4, number=3, **told)
    logging.getLogger("other").warning("Authorization: Bearer %s", "abcdef123456")
    try:
        int("postgresql://me:hunter22@host/db")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = path.read_text()
    for secret in ("abcdefgh12345678", "correct horse", "hf_abcdefghijkl12345678", "abcdef123456", "hunter22"):
        assert secret not in text
    assert "0123456789abcdef" * 4 in text
    assert '"number": 3' in text
