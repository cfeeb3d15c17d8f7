"""The journal knows what is finished, from every process, and nothing that is torn."""

from pathlib import Path

from napari_ziggurat.runs.output.journal import Entry, Fingerprint, Journal


def _begun(folder: Path) -> Journal:
    journal = Journal(folder / "journal")
    journal.begin(Fingerprint({"model": "a"}))
    return journal


def test_news_come_once_from_every_process(tmp_path: Path) -> None:
    journal = _begun(tmp_path)
    with journal.log() as mine, Journal(journal.folder).log() as other:
        mine.add(Entry(1, "a", 3, 0.5))
        other.add(Entry(2, "b", 4, 0.5))
        assert {entry.task for entry in journal.news()} == {1, 2}
        other.add(Entry(3, "", 0, 0.5))
        assert [entry.task for entry in journal.news()] == [3]
        assert list(journal.news()) == []


def test_a_torn_line_counts_as_nothing_until_it_is_whole(tmp_path: Path) -> None:
    journal = _begun(tmp_path)
    log = journal.folder / "blocks" / "dead.jsonl"
    whole = Entry(1, "a", 3, 0.5).line()
    log.write_bytes(whole + whole[:9])
    assert [entry.task for entry in journal.news()] == [1]
    assert list(journal.news()) == []
    log.write_bytes(whole + Entry(7, "a", 3, 0.5).line())
    assert [entry.task for entry in journal.news()] == [7]


def test_a_line_that_was_damaged_is_passed_over(tmp_path: Path) -> None:
    journal = _begun(tmp_path)
    log = journal.folder / "blocks" / "dead.jsonl"
    log.write_bytes(b'{"task": 1, "dig\x00\n' + Entry(2, "a", 3, 0.5).line())
    assert [entry.task for entry in journal.news()] == [2]


def test_entries_can_be_replaced(tmp_path: Path) -> None:
    journal = _begun(tmp_path)
    with journal.log() as log:
        log.add(Entry(1, "a", 3, 0.5))
        log.add(Entry(2, "b", 3, 0.5))
    journal.replace([Entry(2, "b", 3, 0.5)])
    assert [entry.task for entry in Journal(journal.folder).news()] == [2]
    assert [entry.task for entry in journal.news()] == [2]
    assert list(journal.news()) == []


def test_entries_survive_a_replacement_that_is_killed(tmp_path: Path) -> None:
    journal = _begun(tmp_path)
    part = journal.folder / "blocks" / "blocks.part"
    part.write_bytes(Entry(2, "b", 3, 0.5).line())
    assert [entry.task for entry in journal.news()] == [2]


def test_a_million_entries_are_in_a_few_files(tmp_path: Path) -> None:
    journal = _begun(tmp_path)
    with journal.log() as log:
        for task in range(100):
            log.add(Entry(task, "a", 3, 0.5))
    assert len(list((journal.folder / "blocks").iterdir())) == 1
