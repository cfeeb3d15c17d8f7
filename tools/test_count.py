"""Print how many tests ran, from the result files that the tox environments leave in a folder.

Usage: python tools/test_count.py FOLDER
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

AGAIN = "minimal"  # runs the tests of the others once more, so the sum leaves it out


def main() -> int:
    found = {path.stem: count(path) for path in sorted(Path(sys.argv[1]).glob("*.xml"))}
    for name, counts in found.items():
        again = " (again, with the lowest versions)" if name.startswith(AGAIN) else ""
        sys.stdout.write(f"{name}: {sentence(counts)}{again}\n")
    total = sum((counts for name, counts in found.items() if not name.startswith(AGAIN)), Counter())
    sys.stdout.write(f"==== {sentence(total)} ====\n")
    return int(any(counts["failed"] or counts["errors"] for counts in found.values()))


def count(path: Path) -> Counter[str]:
    """Count the outcomes in a JUnit file."""
    suite = ElementTree.parse(path).getroot().find("testsuite")
    given = {} if suite is None else suite.attrib
    tests, failed, errors, skipped = (
        int(given.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")
    )
    passed = tests - failed - errors - skipped
    return Counter(passed=passed, failed=failed, errors=errors, skipped=skipped)


def sentence(counts: Counter[str]) -> str:
    shown = {"passed": counts["passed"], **{k: n for k, n in counts.items() if n}}
    return ", ".join(f"{n} {outcome}" for outcome, n in shown.items())


if __name__ == "__main__":
    sys.exit(main())
