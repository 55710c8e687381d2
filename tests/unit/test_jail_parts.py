"""The parts of the jail that need no process: filters, what a program says of itself, what /proc says, errors."""

from __future__ import annotations

import errno
import re
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.jails import BOUNDS
from trueup.clients.elf import loader, loader_in
from trueup.clients.jail import missing_of
from trueup.clients.jail_errors import crossed, output_too_large
from trueup.clients.jailer import seccomp, syscall_table, watch, wire
from trueup.clients.jailer.seccomp import Filter
from trueup.clients.jailer.watch import Used
from trueup.clients.jailer.wire import Layers
from trueup.engine.bounds import jail_bounds
from trueup.settings import Settings

ALLOW = 0x7FFF0000
KILL = 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMNS = {"x86_64": 0, "aarch64": 1}
SOME_PID = 77
THREAD = 0x10000
NEW_USER = 0x10000000
MACHINES = pytest.mark.parametrize("machine", sorted(ARCHITECTURES))


def verdict(code: bytes, machine: str, number: int, argument: int = 0) -> int:
    """What the kernel would do: the classic BPF that the filter uses, and no more of it."""
    data = struct.pack("=IIQ6Q", number, ARCHITECTURES[machine], 0, argument, 0, 0, 0, 0, 0)
    steps = list(struct.iter_unpack("=HBBI", code))
    place = accumulator = 0
    while True:
        what, if_true, if_false, value = steps[place]
        place += 1
        match what:
            case 0x20:
                accumulator = int(struct.unpack_from("=I", data, value)[0])
            case 0x15:
                place += if_true if accumulator == value else if_false
            case 0x35:
                place += if_true if accumulator >= value else if_false
            case 0x45:
                place += if_true if accumulator & value else if_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(what)


def refused(error: int) -> int:
    return 0x00050000 | error


def numbers(calls: dict[str, tuple[int, int | None]], machine: str) -> list[int]:
    return [number for both in calls.values() if (number := both[COLUMNS[machine]]) is not None]


@MACHINES
@pytest.mark.parametrize("may_fork", [False, True])
def test_what_no_renderer_does_is_refused_whatever_else_is_allowed(machine: str, may_fork: bool) -> None:
    code = seccomp.program(machine, Filter(may_fork, may_signal=may_fork), SOME_PID)
    for number in numbers(syscall_table.FORBIDDEN, machine):
        assert verdict(code, machine, number) == refused(errno.EPERM)
    for number in numbers(syscall_table.UNKNOWN, machine):
        assert verdict(code, machine, number) == refused(errno.ENOSYS)


@MACHINES
@given(number=st.integers(0, 500), argument=st.integers(0, 2**64 - 1))
def test_every_other_call_passes(machine: str, number: int, argument: int) -> None:
    code = seccomp.program(machine, Filter(may_fork=False, may_signal=False), SOME_PID)
    named = syscall_table.FORBIDDEN | syscall_table.UNKNOWN | syscall_table.FORKS
    named |= syscall_table.SIGNALS | syscall_table.OF_A_PROCESS | {"clone": syscall_table.CLONE}
    if number not in numbers(named, machine):
        assert verdict(code, machine, number, argument) == ALLOW


@MACHINES
def test_threads_are_no_processes(machine: str) -> None:
    clone = syscall_table.CLONE[COLUMNS[machine]]
    alone = seccomp.program(machine, Filter(may_fork=False, may_signal=False), SOME_PID)
    assert verdict(alone, machine, clone, THREAD | 0xF00) == ALLOW
    assert verdict(alone, machine, clone, 17) == refused(errno.EPERM)
    assert all(verdict(alone, machine, n) == refused(errno.EPERM) for n in numbers(syscall_table.FORKS, machine))
    family = seccomp.program(machine, Filter(may_fork=True, may_signal=True), SOME_PID)
    assert verdict(family, machine, clone, 17) == ALLOW
    assert verdict(family, machine, clone, NEW_USER | 17) == refused(errno.EPERM)


@MACHINES
def test_only_oneself_is_signalled_and_limited(machine: str) -> None:
    code = seccomp.program(machine, Filter(may_fork=False, may_signal=False), SOME_PID)
    for number in numbers(syscall_table.SIGNALS, machine):
        for pid in (0, SOME_PID):
            assert verdict(code, machine, number, pid) == ALLOW
        for pid in (1, SOME_PID + 1, 2**32 - 1, 2**32 - SOME_PID):
            assert verdict(code, machine, number, pid) == refused(errno.EPERM)
    for number in numbers(syscall_table.OF_A_PROCESS, machine):
        assert verdict(code, machine, number, 0) == ALLOW
        assert verdict(code, machine, number, SOME_PID) == refused(errno.EPERM)


def test_calls_of_another_kind_of_machine_are_no_way_around() -> None:
    code = seccomp.program("x86_64", Filter(may_fork=False, may_signal=False), SOME_PID)
    assert verdict(code, "aarch64", 0) == KILL
    assert verdict(code, "x86_64", 0x40000000 + 41) == refused(errno.ENOSYS)


def test_a_dynamic_program_names_what_loads_it() -> None:
    (name,) = loader(Path("/bin/sh").resolve())
    assert Path(name).is_file()


@given(st.binary(max_size=300))
def test_what_is_no_program_names_nothing(head: bytes) -> None:
    assert loader_in(head) == ()


@given(cut=st.integers(0, 4096), place=st.integers(0, 800), byte=st.integers(0, 255))
def test_a_broken_program_is_read_without_harm(cut: int, place: int, byte: int) -> None:
    head = bytearray(Path("/bin/sh").read_bytes()[:4096])
    head[place] = byte
    names = loader_in(bytes(head[:cut]))
    assert all(name.startswith("/") for name in names)


def test_mappings_of_deleted_files_are_counted_and_no_others() -> None:
    maps = (
        "00400000-00401000 r-xp 00000000 fe:00 1    /bin/true\n"
        "7f0000000000-7f0000100000 rw-s 00000000 fe:00 2   /tmp/a b (deleted)\n"
        "7f0000100000-7f0000300000 rw-s 00000000 00:01 3   /tmp/dev/zero (deleted)\n"
        "7f0000300000-7f0000400000 rw-s 00000000 00:01 3   /dev/zero (deleted)\n"
        "7f0000400000-7f0000500000 rw-p 00000000 00:00 0\n"
    )
    assert list(watch.deleted_mappings(maps)) == [0x100000, 0x200000]


@given(st.text(alphabet=st.characters(exclude_categories=["Zl", "Zp", "Cc", "Cs"]), max_size=40))
def test_no_name_of_a_file_spoils_the_count(name: str) -> None:
    line = f"7f0000000000-7f0000100000 rw-s 00000000 fe:00 2   /tmp/{name} (deleted)\n"
    assert list(watch.deleted_mappings(line)) == [0x100000]


def test_each_bound_is_crossed_by_more_than_it() -> None:
    bounds = wire.Bounds(1.0, 10, 1000, 1, 1, 1, 2)
    within = Used(processes=2, threads=2 * watch.THREADS_PER_PROCESS_MAX, memory_bytes=1000, cpu_seconds=9.9)
    assert watch.over(bounds, within) == wire.BY_ITSELF
    assert watch.over(bounds, within._replace(processes=3)) == wire.BY_PROCESSES
    assert watch.over(bounds, within._replace(threads=within.threads + 1)) == wire.BY_PROCESSES
    assert watch.over(bounds, within._replace(memory_bytes=1001)) == wire.BY_MEMORY
    assert watch.over(bounds, within._replace(cpu_seconds=10.0)) == wire.BY_CPU


def test_what_is_said_arrives() -> None:
    bounds = wire.Bounds(1.5, 2, 3, 4, 5, 6, 7)
    asked = wire.Request("/p", ["/l"], ["p", "\udcff"], "/c", {"A": "b=\n"}, ["/r"], ["/w"], bounds)
    frame = wire.pack(asked)
    assert wire.body_length(frame[: wire.HEAD_BYTES]) == len(frame) - wire.HEAD_BYTES
    assert wire.request(frame[wire.HEAD_BYTES :]) == asked
    report = wire.Report("", wire.BY_DISK, -9, 0.5)
    assert wire.report(wire.pack(report)[wire.HEAD_BYTES :]) == report


def test_a_frame_has_a_longest_length() -> None:
    with pytest.raises(ValueError, match="are allowed"):
        wire.body_length(b"\xff" * wire.HEAD_BYTES)


def test_every_error_names_a_bound_and_a_setting_that_there_is() -> None:
    ends = (wire.BY_CLOCK, wire.BY_CPU, wire.BY_MEMORY, wire.BY_DISK, wire.BY_FILE, wire.BY_PROCESSES)
    errors = [crossed("helm", end, BOUNDS, b"tail") for end in ends] + [output_too_large("helm", BOUNDS, b"tail")]
    for error in errors:
        assert error is not None
        assert error.stderr == b"tail"
        found = re.fullmatch(r"helm: ended .*\d.* \(TRUEUP_(\w+)\)", str(error))
        assert found is not None, str(error)
        assert found[1].lower() in Settings.model_fields
    assert len({type(error) for error in errors}) == len(errors)
    assert crossed("helm", wire.BY_ITSELF, BOUNDS, b"") is None
    assert crossed("helm", wire.BY_NOBODY_WAITING, BOUNDS, b"") is None


def test_the_bounds_are_those_of_the_settings() -> None:
    settings = Settings(render_seconds_max=3, render_processes_max=5)
    bounds = jail_bounds(settings)
    assert (bounds.seconds_max, bounds.processes_max) == (3, 5)
    assert bounds.file_bytes_max <= bounds.disk_bytes_max


def test_the_less_a_machine_has_the_more_is_said_to_be_missing() -> None:
    steps = [
        Layers(landlock=7, namespaces=True, seccomp=True),
        Layers(landlock=7, seccomp=True),
        Layers(landlock=5),
        Layers(),
    ]
    told = [missing_of(layers) for layers in steps]
    assert told[0] == []
    assert all(len(less) < len(more) for less, more in pairwise(told))
    assert missing_of(Layers(namespaces=True, mounts=True, seccomp=True)) == []
