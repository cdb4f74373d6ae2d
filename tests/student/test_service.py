import asyncio

from structlog.testing import capture_logs

from loop.student.engine.batching import Engine
from loop.student.engine.conversations import TokenRequest
from loop.student.service import Queued, Service
from loop.weights import loading
from loop.weights.tiny import tiny


def engine_for_one(base):
    """Build an engine with room for one conversation, and for another's rest outside."""
    model = loading.load(base)
    return Engine(model, max_rows=4, kv_bytes=2 * Engine(model).talks.rack.nbytes_of([64]))


async def asked(service, requests):
    told = {}
    asking = [
        asyncio.create_task(service.ask(request, lambda queued, number=number: told.update({number: queued})))
        for number, request in enumerate(requests)
    ]
    return [len((await each).tokens) for each in asking], told


def test_who_waits_for_memory_is_told_once_and_the_log_too(tmp_path):
    service = Service(lambda: engine_for_one(tiny(tmp_path, stops=False)), failed=lambda: None)
    with capture_logs() as lines:
        service.start()
        service.ready.result(60)
        lengths, told = asyncio.run(asked(service, [TokenRequest(tokens=(5, 6, 7), max_tokens=60)] * 3))
        service.stop()
    assert lengths == [60, 60, 60]
    assert told == {1: Queued(reason="memory", ahead=0), 2: Queued(reason="memory", ahead=1)}
    assert [line["log_level"] for line in lines if line["event"] == "requests_wait_for_memory"] == ["warning"]
