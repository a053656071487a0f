"""What a child process may do, and that it never outlives its purpose. Real processes, no stand-ins."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cliply_resources
from cliply_resources.errors import DeadlineExceeded, StepFailed, ToolMissing
from cliply_resources.media_tools.process import ProcessLimits, run

ROOT = Path(cliply_resources.__file__).parents[1]
FAMILY = "sleep 300 & echo $$ $!; sleep 300"


def gone(pid: int) -> bool:
    """Dead; where nobody reaps orphans, a zombie is as dead as it gets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_gone(pids: list[int], within_seconds: float = 5) -> bool:
    end = time.monotonic() + within_seconds
    while time.monotonic() < end:
        if all(gone(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def test_a_command_is_given_no_shell_and_its_figures_are_its_own() -> None:
    ballast = bytearray(256 * 1024**2)
    finished = run(["echo", "$HOME; ls"], deadline_seconds=10)
    assert finished.stdout == "$HOME; ls\n"
    assert finished.returncode == 0
    assert finished.peak_memory_bytes < 64 * 1024**2 < len(ballast), "the parent's memory was counted"


def test_peak_memory_and_processor_time_are_those_of_the_command() -> None:
    code = "x = bytearray(200 << 20)\nsum(range(3_000_000))"
    finished = run([sys.executable, "-S", "-c", code], deadline_seconds=30)
    assert finished.peak_memory_bytes > 200 * 1024**2
    assert 0.01 < finished.cpu_seconds < 20


def test_a_failing_command_is_a_result_and_a_signal_a_negative_code() -> None:
    assert run(["sh", "-c", "echo bad >&2; exit 3"], deadline_seconds=10).returncode == 3
    assert run(["sh", "-c", "kill -SEGV $$"], deadline_seconds=10).returncode == -signal.SIGSEGV


def test_a_program_that_is_not_there_is_a_missing_tool() -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        run(["no-such-program"], deadline_seconds=10)


def test_a_deadline_ends_the_whole_group() -> None:
    pids: list[int] = []
    with pytest.raises(DeadlineExceeded, match=r"0\.3 s"):
        run(
            ["sh", "-c", FAMILY],
            deadline_seconds=0.3,
            on_stdout_line=lambda line: pids.extend(int(word) for word in line.split()),
        )
    assert len(pids) == 2
    assert all_gone(pids)


def test_a_command_that_ignores_a_polite_request_is_killed() -> None:
    pids: list[int] = []
    with pytest.raises(DeadlineExceeded):
        run(
            ["sh", "-c", "trap '' TERM INT; echo $$; while :; do sleep 1; done"],
            deadline_seconds=0.3,
            on_stdout_line=lambda line: pids.append(int(line)),
        )
    assert all_gone(pids)


def test_a_flood_of_output_does_not_postpone_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        run(["yes"], deadline_seconds=0.3, on_stdout_line=lambda line: None)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_exception_in_the_caller_ends_the_whole_group(kind: type[BaseException]) -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        raise kind

    with pytest.raises(kind):
        run(["sh", "-c", FAMILY], deadline_seconds=60, on_stdout_line=interrupt)
    assert len(pids) == 2
    assert all_gone(pids)


def test_what_a_finished_command_left_running_is_ended() -> None:
    finished = run(["sh", "-c", "sleep 300 & echo $!"], deadline_seconds=30)
    assert finished.returncode == 0
    assert all_gone([int(finished.stdout)])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_descendant_outlives_a_killed_parent(tmp_path: Path, number: signal.Signals) -> None:
    told = tmp_path / "pids"
    code = (
        "from pathlib import Path\n"
        "from cliply_resources.media_tools.process import run\n"
        f"run(['sh', '-c', {FAMILY!r}], deadline_seconds=300, on_stdout_line=Path({str(told)!r}).write_text)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        end = time.monotonic() + 20
        while not (told.exists() and len(told.read_text().split()) == 2) and time.monotonic() < end:
            time.sleep(0.01)
        pids = [int(word) for word in told.read_text().split()]
        assert not any(gone(pid) for pid in pids)
    finally:
        parent.send_signal(number)
        parent.wait(timeout=20)
    assert all_gone(pids)


def test_much_output_on_both_pipes_neither_blocks_nor_fills_the_memory() -> None:
    lines: list[int] = []
    finished = run(
        ["sh", "-c", "yes out | head -c 3000000; yes err | head -c 3000000 >&2; echo last >&2"],
        deadline_seconds=30,
        limits=ProcessLimits(stderr_bytes=1000),
        on_stdout_line=lambda line: lines.append(len(line)),
    )
    assert sum(lines) + len(lines) == 3_000_000
    assert len(finished.stderr) <= 1000
    assert finished.stderr.endswith("last\n")
    assert finished.stdout == ""


def test_a_command_that_says_too_much_is_stopped() -> None:
    with pytest.raises(StepFailed, match="said more than 1000 bytes"):
        run(["yes"], deadline_seconds=30, limits=ProcessLimits(stdout_bytes=1000))


def test_an_endless_line_and_a_line_without_end_are_bounded() -> None:
    lines: list[str] = []
    run(
        ["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; printf '\\nend'"],
        deadline_seconds=30,
        on_stdout_line=lines.append,
    )
    assert lines[-1] == "end"
    assert max(len(line) for line in lines) <= 2 * 65536


def test_a_file_may_not_grow_past_its_limit(tmp_path: Path) -> None:
    finished = run(
        ["dd", "if=/dev/zero", "of=big", "bs=1000", "count=5"],
        deadline_seconds=10,
        limits=ProcessLimits(file_bytes=2500),
        cwd=tmp_path,
    )
    assert finished.returncode == -signal.SIGXFSZ
    assert (tmp_path / "big").stat().st_size <= 2500


def test_memory_and_processor_time_can_be_limited() -> None:
    small = ProcessLimits(address_space_bytes=512 * 1024**2)
    hungry = run([sys.executable, "-S", "-c", "bytearray(1 << 30)"], deadline_seconds=30, limits=small)
    assert "MemoryError" in hungry.stderr
    busy = run(["sh", "-c", "while :; do :; done"], deadline_seconds=30, limits=ProcessLimits(cpu_seconds=1))
    assert busy.returncode == -signal.SIGXCPU


def test_nothing_is_inherited_but_the_given_environment_and_folder(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    finished = run(["sh", "-c", "pwd; echo $KEY; ls /proc/$$/fd"], deadline_seconds=10, cwd=tmp_path, env={"KEY": "v"})
    os.close(read)
    os.close(write)
    folder, key, *descriptors = finished.stdout.split()
    assert folder == str(tmp_path)
    assert key == "v"
    assert set(descriptors) <= {"0", "1", "2"}
