"""Jobs: threads and processes that report, stop and end with their dock."""

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_ziggurat.errors import InputError
from napari_ziggurat.progress import Progress

pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytest.importorskip("qtpy", reason="no Qt is installed")
pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("display", "qapp")]


class Heard:
    """Remembers what a job says."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.told: list[str] = []
        self.results: list[Any] = []
        self.failures: list[Any] = []
        self.ends = 0
        self.threads: set[int] = set()

    def step(self, step: Progress) -> None:
        self.steps.append(step)
        self.threads.add(threading.get_ident())

    def end(self) -> None:
        self.ends += 1

    def handlers(self) -> Any:
        from napari_ziggurat.gui.jobs import Handlers

        return Handlers(
            self.results.append, self.failures.append, self.step, self.end, self.told.append
        )


@pytest.fixture
def dock(qtbot: Any) -> Any:
    from qtpy.QtWidgets import QWidget

    return QWidget()


@pytest.fixture
def jobs(dock: Any) -> Iterator[Any]:
    from napari_ziggurat.gui.jobs import Jobs

    owner = Jobs(dock)
    yield owner
    owner.close()


def count(stop: int) -> Iterator[Progress]:
    for done in range(stop + 1):
        yield Progress("count", done, stop)
    return stop


def forever(ended: threading.Event) -> Iterator[Progress]:
    try:
        while True:
            ended.wait(0.01)
            yield Progress("wait")
    finally:
        ended.set()


def fail(error: Exception) -> Iterator[Progress]:
    yield Progress("fail")
    raise error


def test_a_thread_reports_its_progress_and_its_result_in_the_thread_of_the_window(
    jobs: Any, qtbot: Any
) -> None:
    from napari_ziggurat.gui.job import ThreadJob

    heard = Heard()
    jobs.start(ThreadJob(lambda: count(1000)), heard.handlers())
    qtbot.waitUntil(lambda: heard.ends == 1)
    assert heard.results == [1000]
    assert heard.steps[-1] == Progress("count", 1000, 1000)
    assert len(heard.steps) < 500, "the window is not flooded"
    assert heard.threads == {threading.get_ident()}


def test_no_message_of_a_thread_is_lost(jobs: Any, qtbot: Any) -> None:
    from napari_ziggurat.gui.job import ThreadJob

    def talk() -> Iterator[Progress]:
        for number in range(3):
            yield Progress("talk")
            yield Progress("talk", message=f"{number}")

    heard = Heard()
    jobs.start(ThreadJob(talk), heard.handlers())
    qtbot.waitUntil(lambda: heard.ends == 1)
    assert heard.told == ["0", "1", "2"]


def test_what_goes_wrong_while_a_result_is_shown_is_a_failure(jobs: Any, qtbot: Any) -> None:
    from napari_ziggurat.gui.job import ThreadJob
    from napari_ziggurat.gui.jobs import Handlers

    def show(result: object) -> None:
        raise ZeroDivisionError("by zero")

    heard = Heard()
    jobs.start(ThreadJob(lambda: count(1)), Handlers(show, heard.failures.append, ended=heard.end))
    qtbot.waitUntil(lambda: heard.ends == 1)
    assert [f.sentence for f in heard.failures] == ["It stopped with ZeroDivisionError: by zero"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("Box 1:2 is not inside."), "Box 1:2 is not inside."),
        (ZeroDivisionError("by zero"), "It stopped with ZeroDivisionError: by zero"),
    ],
)
def test_an_error_becomes_a_sentence_with_details(
    jobs: Any, qtbot: Any, error: Exception, sentence: str
) -> None:
    from napari_ziggurat.gui.job import ThreadJob

    heard = Heard()
    jobs.start(ThreadJob(lambda: fail(error)), heard.handlers())
    qtbot.waitUntil(lambda: heard.ends == 1)
    assert [failure.sentence for failure in heard.failures] == [sentence]
    assert "Traceback" in heard.failures[0].details
    assert heard.results == []


def test_a_cancelled_thread_ends_without_a_result_and_closes_its_run(jobs: Any, qtbot: Any) -> None:
    from napari_ziggurat.gui.job import ThreadJob

    (heard, ended) = (Heard(), threading.Event())
    job = ThreadJob(lambda: forever(ended))
    jobs.start(job, heard.handlers())
    qtbot.waitUntil(lambda: bool(heard.steps))
    job.cancel()
    qtbot.waitUntil(lambda: heard.ends == 1)
    assert ended.is_set()
    assert heard.results == heard.failures == []


def test_nothing_is_heard_of_a_job_once_its_dock_is_gone(jobs: Any, dock: Any, qtbot: Any) -> None:
    from napari_ziggurat.gui.job import ThreadJob

    (heard, ended) = (Heard(), threading.Event())
    jobs.start(ThreadJob(lambda: forever(ended)), heard.handlers())
    qtbot.waitUntil(lambda: bool(heard.steps))
    steps = len(heard.steps)
    dock.deleteLater()
    qtbot.waitUntil(lambda: jobs.closed)
    qtbot.wait(100)
    assert ended.is_set(), "the thread has ended"
    assert (len(heard.steps), heard.ends) == (steps, 0)


def test_the_jobs_of_a_dock_end_though_nobody_holds_it(qtbot: Any) -> None:
    from qtpy.QtWidgets import QWidget

    from napari_ziggurat.gui.job import ThreadJob
    from napari_ziggurat.gui.jobs import Jobs

    ended = threading.Event()
    window = QWidget()
    owner = Jobs(QWidget(window))
    owner.start(ThreadJob(lambda: forever(ended)), Heard().handlers())
    del owner
    gc.collect()
    window.deleteLater()
    del window
    qtbot.waitUntil(ended.is_set)


def process(code: str, understand: Callable[[str], Progress | None] = lambda line: None) -> Any:
    from napari_ziggurat.gui.job import ProcessJob

    return ProcessJob([sys.executable, "-c", code], understand)


def test_a_process_reports_its_progress_and_gives_its_output(jobs: Any, qtbot: Any) -> None:
    heard = Heard()
    code = "import sys; sys.stderr.write('half\\rrest\\n= a word\\n'); print('done')"
    known = {"half": Progress("half"), "rest": Progress("rest")}
    jobs.start(process(code, known.get), heard.handlers())
    qtbot.waitUntil(lambda: heard.ends == 1, timeout=60_000)
    assert [step.stage for step in heard.steps] == ["half", "rest"]
    assert heard.told == ["= a word"]
    assert [result.strip() for result in heard.results] == ["done"]


def test_a_process_knows_that_a_program_reads_its_lines(jobs: Any, qtbot: Any) -> None:
    from napari_ziggurat.progress import WATCHED

    heard = Heard()
    jobs.start(process(f"import os; print(os.environ['{WATCHED}'])"), heard.handlers())
    qtbot.waitUntil(lambda: heard.ends == 1, timeout=60_000)
    assert [result.strip() for result in heard.results] == ["1"]


def test_a_process_that_fails_says_its_last_line(jobs: Any, qtbot: Any) -> None:
    heard = Heard()
    jobs.start(
        process("import sys; print('first'); sys.exit('Error: It is so.')"), heard.handlers()
    )
    qtbot.waitUntil(lambda: heard.ends == 1, timeout=60_000)
    assert [failure.sentence for failure in heard.failures] == ["It is so."]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_process_that_is_killed_from_outside_says_so(jobs: Any, qtbot: Any) -> None:
    heard = Heard()
    jobs.start(process("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), heard.handlers())
    qtbot.waitUntil(lambda: heard.ends == 1, timeout=60_000)
    assert "memory" in heard.failures[0].sentence


def test_a_program_that_is_not_there_is_a_failure(jobs: Any, qtbot: Any) -> None:
    from napari_ziggurat.gui.job import ProcessJob

    heard = Heard()
    jobs.start(ProcessJob(["no-such-program"], lambda line: None), heard.handlers())
    qtbot.waitUntil(lambda: heard.ends == 1)
    assert heard.failures[0].sentence == "'no-such-program' could not be started."


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_cancelled_process_is_asked_to_end(jobs: Any, qtbot: Any, tmp_path: Path) -> None:
    heard = Heard()
    asked = tmp_path / "asked"
    code = (
        "import pathlib, signal, sys, time\n"
        f"def end(*_): pathlib.Path({str(asked)!r}).touch(); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "sys.stderr.write('on\\n'); sys.stderr.flush(); time.sleep(60)"
    )
    job = process(code, lambda line: Progress(line))
    jobs.start(job, heard.handlers())
    qtbot.waitUntil(lambda: bool(heard.steps), timeout=60_000)
    job.cancel()
    qtbot.waitUntil(lambda: heard.ends == 1, timeout=20_000)
    assert asked.exists()
    assert heard.failures == heard.results == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_closing_kills_a_process_that_does_not_listen(
    jobs: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari_ziggurat.gui.jobs as module

    monkeypatch.setattr(module, "PATIENCE", 0.5)
    heard = Heard()
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "sys.stderr.write('on\\n'); sys.stderr.flush(); time.sleep(60)"
    )
    job = process(code, lambda line: Progress(line))
    jobs.start(job, heard.handlers())
    qtbot.waitUntil(lambda: bool(heard.steps), timeout=60_000)
    jobs.close()
    assert not job.running
