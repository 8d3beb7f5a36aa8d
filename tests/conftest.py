"""What tests share: where real recordings lie, the command line, and a voice."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import audiorestore.damage
import audiorestore.metrics
import audiorestore.models
from audiorestore.cli import main as command_line
from audiorestore.data.audio_file import write_audio
from audiorestore.demo.synthesis import render_demo

collect_ignore = ["entries"]

# A family, a damage or a metric is one file. Those in tests/entries are such files: every test runs with them in the
# registries, so that all contract tests hold for them, and no test may know how many entries there are.
for package in (audiorestore.models, audiorestore.damage, audiorestore.metrics):
    package.__path__.append(str(Path(__file__).parent / "entries" / package.__name__.rpartition(".")[2]))

# Why a test is skipped where something has to be installed first. Lhotse is only compared with, and is large.
_NOT_INSTALLED = re.compile(r"(?<!Lhotse is )not installed|not on PATH|there is no bash|has no `ar` of audiorestore")


def _fail_if_not_installed(report: Any) -> None:
    """Where AUDIORESTORE_REQUIRE_PROGRAMS is set, as in CI, turn such a skip into a failure."""
    if report.skipped and os.environ.get("AUDIORESTORE_REQUIRE_PROGRAMS") and isinstance(report.longrepr, tuple):
        *_, reason = report.longrepr
        if _NOT_INSTALLED.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}, but AUDIORESTORE_REQUIRE_PROGRAMS is set"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    _fail_if_not_installed(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    _fail_if_not_installed(report)
    return report


# Silent, alone, and without a sandbox, which containers seldom allow.
_BROWSER_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
    "--mute-audio",
    "--window-size=1280,900",
)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real recordings, or no test."""
    folder = os.environ.get("AUDIORESTORE_CORPUS")
    if not folder:
        pytest.skip("AUDIORESTORE_CORPUS is not set: no real recordings to test on")
    return Path(folder)


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


@pytest.fixture
def ar_process(tmp_path: Path) -> Callable[..., Ended]:
    """Run `ar` in a process of its own, as a shell would, in a folder of the test's own.

    Only for what a process alone can show: start-up, signals, pipes, streams that are missing.
    """

    def run(*arguments: str | Path, stdin: str = "", cwd: Path = tmp_path) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "audiorestore", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # small nets gain nothing from more, and busy cores lose much
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def ar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run `ar` in this process, in a folder of the test's own; nothing is imported a second time."""

    def run(*arguments: str | Path, stdin: str = "", cwd: Path = tmp_path) -> Ended:
        streams = [io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogateescape"))) for text in (stdin, "", "")]
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        with monkeypatch.context() as here:
            here.chdir(cwd)
            here.setattr(sys, "argv", ["ar", *map(str, arguments)])
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                here.setattr(sys, name, stream)
            try:
                command_line()
                status: Any = 0
            except SystemExit as end:
                status = end.code or 0
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        for stream in streams:
            stream.flush()
        output, errors = (
            stream.buffer.getvalue().decode("utf-8", "surrogateescape")  # type: ignore[attr-defined]
            for stream in streams[1:]
        )
        return Ended(status, output, errors)

    return run


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """Two seconds of a singing voice, 16 bit, 22,050 Hz, as `voice.wav` in the test's folder."""
    path = tmp_path / "voice.wav"
    write_audio(path, render_demo("voice-01", 22050)[:, 11025:55125], 22050)
    return path


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that cannot reach any network, driven by selenium; or no test.

    Its console and all it asks for are logged: ``browser.get_log("browser")`` and ``browser.get_log("performance")``
    give what came since they were last asked. One is shared by all tests: `get` a page first, and set window size and
    emulation back where they were changed.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: no test in a browser")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium or chromedriver is not installed: no test in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in _BROWSER_FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    opened.set_page_load_timeout(60)
    opened.set_script_timeout(30)
    yield opened
    opened.quit()
