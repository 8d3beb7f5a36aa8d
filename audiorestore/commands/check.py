"""``ar check``: verify that a manifest of pairs is still true of its files."""

import sys

from ..errors import ExitStatus
from ._inputs import Inputs, Jobs
from ._signals import shell_command
from ._speech import say, with_bar, write_line


@shell_command
def check(inputs: Inputs = None, jobs: Jobs = 1) -> ExitStatus:
    """Verify that a manifest of pairs still holds, for example in CI.

    Files must exist, be readable and unchanged, and have the recorded length. Pairs must have no lag, and no problem
    that `ar pair` did not accept. No group, source file or copy of one may be in two splits. Records of bad pairs are
    written to stdout, each with all its problems, and the exit status is then 4.

    \b
    Examples:
      ar check pairs.jsonl
      ar pair degraded.jsonl | tee pairs.jsonl | ar check
    """
    from ..data.manifest import read_records
    from ..engine.batch import run_batch
    from ..engine.pairing.check import Leaks, check_record

    # An id that occurs twice is one of the problems to report.
    records = list(read_records(inputs or [], "degraded", "check", sys.stdin, unique=False))
    leaks = Leaks()
    bad = 0
    for record in with_bar(leaks.watch(run_batch(records, check_record, "check", jobs=jobs)), "check", len(records)):
        if "error" in record:
            bad += 1
            say(f"{record['error'].get('stage', 'check')} {record['id']}: {record['error'].get('message')}")
            write_line(record)
    if leaks.undigested:
        say(
            f"{leaks.undigested} of {len(records)} pairs have no digests, so changed or duplicated files cannot be "
            "detected; run 'ar pair' again"
        )
    say(f"{bad} of {len(records)} pairs are bad" if bad else f"all {len(records)} pairs are good")
    return ExitStatus.GATE_FAILED if bad else ExitStatus.DONE
