"""The page of a report in a real browser: the chosen version plays, at the same position."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data.audio_file import write_audio
from audiorestore.report.page import write_page
from audiorestore.scores.summary import Summary

RATE = 16000
SECONDS = 8.0
TONES = {"reference": 500.0, "degraded": 1000.0, "restored": 2000.0}  # each version is known by its pitch

# Replaces functions of the browser before the page is loaded: it records everything that goes to the loudspeaker, and
# when each source is started.
LISTENER = """
window.heard = []; window.starts = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    if (!this.context.tap) {
      const tap = this.context.createScriptProcessor(4096, 1, 1);
      tap.onaudioprocess = (event) => window.heard.push(Array.from(event.inputBuffer.getChannelData(0)));
      this.context.tap = tap;
      window.context = this.context;
      connect.call(tap, target);
    }
    connect.call(this, this.context.tap);
  }
  return connect.call(this, target, ...rest);
};
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.starts.push(when);
  return start.apply(this, when);
};
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two records, each of three versions that are tones of different pitch."""
    folder = tmp_path_factory.mktemp("report")
    seconds = np.arange(int(SECONDS * RATE)) / RATE
    records = []
    for number in range(2):
        record: dict[str, Any] = {"id": f"song <{number}>", "check": {"degraded": {"gain_db": 0.0}}}
        for role, frequency in TONES.items():
            record[role] = str(folder / f"{number}-{role}.wav")
            write_audio(record[role], 0.5 * np.sin(2 * np.pi * frequency * seconds)[np.newaxis].astype("f4"), RATE)
        record["check"]["restored"] = {"gain_db": 6.0}
        record["metrics"] = {row: {"snr_db": 10.0 + number} for row in ("degraded", "restored")}
        records.append(record)
    summary = Summary()
    for record in records:
        summary.add(record)
    write_page(folder / "report.html", {"system": records}, summary)
    return folder / "report.html"


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Any]:
    """The opened report; at the end there is no message in the console, and there was no request to a network."""
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
    for log in ("browser", "performance"):
        browser.get_log(log)  # from earlier tests
    browser.get(report.as_uri())
    yield browser
    console = browser.get_log("browser")
    # ScriptProcessorNode, with which the test listens, is deprecated: that message is about the test.
    assert [each for each in console if "ScriptProcessorNode" not in each["message"]] == []
    events = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert asked, "the page itself was requested, so the log works"
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file:")] == [report.as_uri()]
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    browser.get("about:blank")


def wait_for(true: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until the value is true, and return it."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, "timed out"
        time.sleep(0.05)
    return found


def position(page: Any, record: int = 1) -> float:
    return float(page.execute_script(f"return document.querySelector('#record-{record} .position').value"))


def play_button(page: Any, record: int = 1) -> Any:
    return page.find_element("css selector", f"#record-{record} .play")


def playing(page: Any, record: int = 1) -> bool:
    return bool(page.find_elements("css selector", f"#record-{record} .playing"))


def press(page: Any, key: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(page).send_keys(key).perform()


def pitches(page: Any, blocks: int = 2) -> tuple[list[float], float]:
    """Listen from now: the loudest frequency of each block, and the amplitude of a tone with the same power."""
    page.execute_script("window.heard = []")
    heard = wait_for(lambda: page.execute_script(f"return heard.length > {blocks} && heard.slice(1)"))[:blocks]
    rate = page.execute_script("return context.sampleRate")
    samples = np.array(heard)
    spectra = np.abs(np.fft.rfft(np.hanning(samples.shape[1]) * samples))
    frequencies = spectra.argmax(axis=1) * rate / samples.shape[1]
    return frequencies.tolist(), float(np.sqrt(2 * np.mean(np.square(samples))))


def test_switching_changes_the_version_and_not_the_position(opened: Any) -> None:
    play_button(opened).click()
    wait_for(lambda: position(opened) > 0.3)
    for key, role in (("1", "reference"), ("2", "degraded"), ("3", "restored"), ("1", "reference")):
        before, clock = position(opened), opened.execute_script("return context.currentTime")
        press(opened, key)
        found, loudness = pitches(opened)
        assert found == pytest.approx([TONES[role]] * 2, abs=15.0), role
        assert loudness == pytest.approx(0.5, rel=0.02)  # one version alone, as loud as its file
        went_on = opened.execute_script("return context.currentTime") - clock
        assert position(opened) - before == pytest.approx(went_on, abs=0.3)  # the page shows it a little later
    starts = opened.execute_script("return starts")
    assert len(starts) == 3, "all versions were started once, and none again"
    assert starts[0] == starts[1] == starts[2], "at the same time, and from the same sample"


def test_there_is_no_gap_where_versions_change(opened: Any) -> None:
    play_button(opened).click()
    wait_for(lambda: position(opened) > 0.2)
    opened.execute_script("document.querySelector('#record-1 .loop').click()")
    rate = opened.execute_script("return context.sampleRate")
    window = int(0.004 * rate)  # two periods of the lowest tone
    steepest = 0.5 * 2 * np.pi * TONES["restored"] / rate  # from sample to sample, of the highest tone
    found = []
    for _ in range(3):  # a busy browser may lose blocks of the test; a gap of the player would always be there
        opened.execute_script("window.heard = []")
        for key in "23121323":
            press(opened, key)
        heard = np.array(wait_for(lambda: opened.execute_script("return heard.length > 6 && heard.slice(1)")))
        parts = heard[:, : heard.shape[1] // window * window].reshape(-1, window)
        quietest = float(np.sqrt(2 * np.mean(np.square(parts), axis=1)).min())
        found.append((quietest, float(np.abs(np.diff(heard, axis=1)).max())))
        # Halfway of a fade between two tones it is 0.7 of either; a click would be steeper than any tone.
        if quietest > 0.5 * 0.5 and found[-1][1] < 1.2 * steepest:
            return
    raise AssertionError(f"gaps or clicks: {found}, the steepest tone has {steepest:.3f}")


def test_space_pauses_and_resumes(opened: Any) -> None:
    play_button(opened).click()
    wait_for(lambda: position(opened) > 0.3)
    opened.find_element("css selector", "#record-1 .versions input:checked").send_keys(" ")
    wait_for(lambda: not playing(opened))
    stood = position(opened)
    time.sleep(0.3)
    assert position(opened) == stood
    assert play_button(opened).get_attribute("aria-label") == "Play song <0>"
    press(opened, "3")
    press(opened, " ")
    wait_for(lambda: position(opened) > stood + 0.2)
    assert pitches(opened)[0] == pytest.approx([TONES["restored"]] * 2, abs=15.0)
    assert opened.execute_script("return starts.at(-1)[1]") == pytest.approx(stood, abs=0.01)


def test_the_end_is_the_end_unless_it_is_repeated(opened: Any) -> None:
    slide = "const s = document.querySelector('#record-1 .position'); s.value = arguments[0];"
    slide += "s.dispatchEvent(new Event('input'))"
    opened.execute_script(slide, SECONDS - 0.5)
    assert position(opened) == pytest.approx(SECONDS - 0.5, abs=0.01)
    play_button(opened).click()
    wait_for(lambda: playing(opened))
    wait_for(lambda: not playing(opened))
    assert position(opened) == 0.0
    opened.find_element("css selector", "#record-1 .loop").click()
    opened.execute_script(slide, SECONDS - 0.5)
    play_button(opened).click()
    wait_for(lambda: 0.2 < position(opened) < SECONDS - 1.0)
    assert playing(opened)


def test_one_player_at_a_time_and_a_click_in_a_picture(opened: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    play_button(opened, 1).click()
    wait_for(lambda: playing(opened, 1) and position(opened, 1) > 0.1)
    play_button(opened, 2).click()
    wait_for(lambda: position(opened, 2) > 0.1)
    assert not playing(opened, 1)
    picture = opened.find_element("css selector", "#record-2 .spectrogram")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
    ActionChains(opened).move_to_element(picture).click().perform()
    wait_for(lambda: SECONDS * 0.4 < position(opened, 2) < SECONDS * 0.75)
    assert playing(opened, 2)


def test_levels_are_matched_if_chosen(opened: Any) -> None:
    play_button(opened).click()
    wait_for(lambda: position(opened) > 0.2)
    opened.find_element("css selector", "#record-1 .level").click()
    press(opened, "3")
    assert pitches(opened)[1] == pytest.approx(0.5 * 10 ** (-6 / 20), rel=0.02)  # it was measured 6 dB too loud
    press(opened, "2")
    assert pitches(opened)[1] == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    shape = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        loaded = "return [...document.querySelectorAll('image')].every((each) => each.getBBox().width > 0)"
        assert opened.execute_script(loaded)
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
