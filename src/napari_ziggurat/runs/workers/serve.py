"""Serve: a worker process, from its first line to its last.

Nothing is imported with this module that starts threads, or memory could not be kept any more.
"""

import signal
from contextlib import suppress
from multiprocessing.connection import Connection

from napari_ziggurat.inference.allocator import keep_freed_memory

__all__ = ["serve"]


def serve(connection: Connection, job: str, device: str, threads: int) -> None:
    """Do the tasks that come through a connection until None comes or the other end is gone.

    Parameters
    ----------
    connection : Connection
        Tasks come in; lists of `Report` go out, or a sentence that says why all has ended.
    job : str
        The run, as `Job.to_json` writes it.
    device : str
        Where to compute, such as ``"cuda:1"``.
    threads : int
        Threads to compute with.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    keep_freed_memory()
    from napari_ziggurat.runs.workers.failure import explain

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            _work(connection, job, device, threads)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:
            connection.send(explain(error))


def _work(connection: Connection, job: str, device: str, threads: int) -> None:
    from napari_ziggurat.runs.workers.job import Job

    with Job.from_json(job).open(device=device, threads=threads) as opened:
        worker, busy = opened.worker, 0
        while True:
            while worker.has_room and (busy == 0 or connection.poll()):
                task = connection.recv()
                if task is None:
                    return
                worker.submit(task)
                busy += 1
            reports = worker.collect()
            busy -= sum(report.state != "working" for report in reports)
            connection.send(reports)
