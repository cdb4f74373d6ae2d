"""What the system's programs say is read right; what they do not say is not known, and hinders nothing."""

import sys
from datetime import UTC

import pytest

from loop.windows.decision import PROBES, decide
from loop.windows.heat import by_level, by_sensors
from loop.windows.idle import by_input, by_sessions
from loop.windows.limits import Windows
from loop.windows.machine import Machine, Pressure, answer
from loop.windows.power import mains

STUDIO = "Now drawing from 'AC Power'\n"
LAPTOP = """Now drawing from 'Battery Power'
 -InternalBattery-0 (id=4653155)\t88%; discharging; 6:25 remaining present: true
"""
CHARGED = """Now drawing from 'AC Power'
 -InternalBattery-0 (id=4653155)\t100%; charged; 0:00 remaining present: true
"""
UPS = """Now drawing from 'UPS Power'
 -Back-UPS ES 700 (id=1234)\t87%; discharging; (no estimate)
"""
IOREG = """+-o Root  <class IORegistryEntry, id 0x100000100, retain 41>
  | +-o IOHIDSystem  <class IOHIDSystem, id 0x100000345, registered, matched, active, busy 0 (9 ms), retain 26>
  | | {
  | |   "HIDScrollCountMaxTimeDeltaBetween" = 600
  | |   "HIDIdleTime" = 312500000000
  | |   "HIDParameters" = {"HIDClickTime"=500000000,"HIDIdleTime"=9}
  | | }
  | +-o IOHIDSystem2  <class IOHIDSystem, id 0x100000346, registered, matched, active, busy 0 (0 ms), retain 8>
  |     {
  |       "HIDIdleTime" = 412500000000
  |     }
"""
LEVEL = "com.apple.system.thermalpressurelevel {}\n"


@pytest.mark.parametrize(
    ("told", "on"), [(STUDIO, True), (CHARGED, True), (LAPTOP, False), (UPS, False), ("", None), ("No such", None)]
)
def test_power_of_a_mac(told, on):
    assert mains(told) is on


def test_idle_of_a_mac_is_that_of_the_input_that_was_used_last():
    assert by_input(IOREG.replace(',"HIDIdleTime"=9', "")) == 312.5
    assert by_input("") is None


def test_idle_of_linux_is_logind_s():
    assert by_sessions("IdleHint=yes\nIdleSinceHint=1790000000000000\n", 1790000090.0) == 90.0
    assert by_sessions("IdleHint=no\nIdleSinceHint=1790000000000000\n", 1790000090.0) == 0.0
    assert by_sessions("Failed to get user: No such user", 0.0) is None


@pytest.mark.parametrize(
    ("level", "pressure"),
    [(0, "nominal"), (1, "moderate"), (2, "heavy"), (3, "trapping"), (4, "trapping"), (9, "trapping")],
)
def test_pressure_of_a_mac(level, pressure):
    assert by_level(LEVEL.format(level)) == pressure
    assert by_level("notifyutil: not found") is None


@pytest.mark.parametrize(
    ("sensors", "pressure"),
    [
        ([], None),
        ([(50.0, None, None)], None),
        ([(50.0, 80.0, 100.0), (40.0, None, None)], Pressure.NOMINAL),
        ([(50.0, 80.0, 100.0), (76.0, 80.0, 100.0)], Pressure.MODERATE),
        ([(80.0, 80.0, 100.0)], Pressure.HEAVY),
        ([(101.0, 80.0, 100.0)], Pressure.TRAPPING),
        ([(99.0, None, 100.0)], Pressure.MODERATE),
    ],
)
def test_pressure_of_linux_is_that_of_the_hottest_sensor(sensors, pressure):
    assert by_sensors(sensors) == pressure


def test_a_program_that_is_missing_or_fails_says_nothing():
    assert answer("no-such-program-at-all") == ""
    assert answer(sys.executable, "-c", "print('AC Power'); raise SystemExit(1)") == ""
    assert answer(sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'\\xff AC')") == "\ufffd AC"


def test_the_probes_of_this_machine_answer_or_say_that_they_cannot():
    found = {name: probe.look() for name, probe in PROBES.items()}
    assert Machine.model_validate(found)


NIGHT = Windows(hours=("22:00-07:00",))
NOON, MIDNIGHT = 1_780_315_200.0, 1_780_358_400.0
"""1 and 2 June 2026, UTC."""


@pytest.mark.parametrize(
    ("limits", "moment", "machine", "reason"),
    [
        (Windows(), NOON, Machine(), ""),
        (NIGHT, MIDNIGHT, Machine(), ""),
        (NIGHT, NOON, Machine(), "outside 22:00-07:00; next at 22:00"),
        (Windows(hours=("sat 01:00-02:00",)), NOON, Machine(), "outside sat 01:00-02:00; next at Sat 01:00"),
        (Windows(mains=True), NOON, Machine(mains=True), ""),
        (Windows(mains=True), NOON, Machine(mains=False), "not on mains power"),
        (Windows(mains=True), NOON, Machine(), ""),
        (Windows(idle_minutes=10), NOON, Machine(idle=600), ""),
        (
            Windows(idle_minutes=10),
            NOON,
            Machine(idle=181),
            "somebody used the machine 3 min ago, and 10 min without that are asked for",
        ),
        (
            Windows(idle_minutes=1),
            NOON,
            Machine(idle=0),
            "somebody used the machine just now, and 1 min without that are asked for",
        ),
        (Windows(pressure=Pressure.MODERATE), NOON, Machine(pressure=Pressure.MODERATE), ""),
        (
            Windows(pressure=Pressure.MODERATE),
            NOON,
            Machine(pressure=Pressure.HEAVY),
            "thermal pressure is heavy, and moderate is the most",
        ),
    ],
)
def test_a_decision_says_why(limits, moment, machine, reason):
    found = decide(limits, moment, machine, UTC)
    assert (found.open, found.reason) == (not reason, reason)
    asked = [
        name
        for name, on in (("mains", limits.mains), ("idle", limits.idle_minutes), ("pressure", limits.pressure))
        if on
    ]
    assert found.unknown == tuple(name for name in asked if getattr(machine, name) is None)
    assert (found.until is not None) == ("next at" in reason)
