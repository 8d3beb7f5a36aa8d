"""A listener in a real browser: listens, rates by keyboard and mouse, downloads; the ratings say what was meant."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data.audio_file import write_audio
from audiorestore.listening import key_path, write_listening_test
from audiorestore.listening.ratings import read_ratings, summarise

pytest.importorskip("selenium", reason="selenium is not installed: no test in a browser")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

RATE = 16000
# What the listener of these tests means; the wheels of chance decide where and when it has to be said.
WANTED: dict[str, dict[str, int]] = {
    "mos": {"reference": 5, "degraded": 1, "cnn": 4},
    "acr": {"reference": 4, "degraded": 2, "cnn": 3},
    "mushra": {"reference": 100, "degraded": 41, "cnn": 73, "anchor_3500_hz": 0, "anchor_7000_hz": 55},
    "cmp": {"cnn over degraded": 3, "cnn over reference": -2},
}


class Listener:
    """Somebody at a page who knows the key, and says what `WANTED` tells."""

    def __init__(self, browser: Any, folder: Path, downloads: Path) -> None:
        self.browser, self.folder, self.downloads = browser, folder, downloads
        self.key = json.loads(key_path(folder).read_text())
        self.kind = self.key["kind"]
        self.trials = 0

    def begin(self, name: str, group: str) -> None:
        self.open()
        field = self.find("#listener")
        field.clear()
        field.send_keys(name)
        self.find(f"input[value={group}]").click()
        self.find("button[type=submit]").click()

    def open(self) -> None:
        """Open the page as somebody who was never there; what an open page keeps on being left is cleared after it."""
        page = (self.folder / "index.html").as_uri()
        self.browser.get(page)
        self.browser.execute_script("addEventListener('pagehide', () => localStorage.clear())")
        self.browser.get(page)

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def wait(self, ready: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, 20, poll_frequency=0.02).until(lambda _: ready())

    @property
    def codes(self) -> list[str]:
        """The excerpts on this page, in the order of their buttons; of MUSHRA, the open reference comes first."""
        buttons = self.browser.find_elements("css selector", "button.sound")
        return [button.get_attribute("data-code") for button in buttons]

    @property
    def count(self) -> str:
        return str(self.find("#count").text)

    def condition(self, code: str) -> str:
        return str(self.key["stimuli"][code]["condition"])

    def may_go_on(self) -> bool:
        return bool(self.find("#next").get_attribute("aria-disabled") == "false")

    def rate_single(self, by_mouse: bool) -> None:
        (code,) = self.codes
        wanted = WANTED[self.kind][self.condition(code)]
        whole = "return performance.now()"
        before = self.browser.execute_script(whole)
        if by_mouse:
            self.find("button.sound").click()
        else:
            self.press(" ")
        assert not self.may_go_on()
        self.wait(lambda: not self.find("#main").get_attribute("innerHTML").count("playing"))
        assert self.browser.execute_script(whole) - before >= 250, "played to its end"
        if not by_mouse:
            self.press(str(wanted))
        elif self.kind == "mos":
            self.click_slider(self.find("input[type=range]"), (wanted - 1) / 4)
        else:
            self.find(f".grades label:nth-child({wanted})").click()

    def click_slider(self, slider: Any, share: float) -> None:
        """Click where the middle of a thumb of 20 pixels would be."""
        room = slider.size["width"] - 20
        ActionChains(self.browser).move_to_element_with_offset(slider, round(room * (share - 0.5)), 0).click().perform()

    def rate_versions(self, by_mouse: bool) -> None:
        _, *codes = self.codes
        assert not set(self.codes[:1]) & set(self.key["stimuli"]), "the open reference has a code of its own"
        self.press("r")
        for index, code in enumerate(codes):
            wanted = WANTED["mushra"][self.condition(code)]
            slider = self.browser.find_elements("css selector", "input[type=range]")[index]
            if by_mouse:
                self.click_slider(slider, wanted / 100)
                off = wanted - int(slider.get_attribute("value"))
                assert abs(off) <= 1
                self.press(*[Keys.ARROW_RIGHT if off > 0 else Keys.ARROW_LEFT] * abs(off))
            else:
                self.press("abcdefghijkl"[index] if index % 2 else str(index + 1))
                tens, ones = divmod(abs(wanted - 50), 10)
                up = wanted > 50
                self.press(*[Keys.PAGE_UP if up else Keys.PAGE_DOWN] * tens)
                self.press(*[Keys.ARROW_RIGHT if up else Keys.ARROW_LEFT] * ones)

    def rate_pair(self, by_mouse: bool) -> None:
        left, right = self.codes
        over, base = next(
            each["stimuli"] for each in self.key["trials"].values() if set(each["stimuli"]) == {left, right}
        )
        wanted = WANTED["cmp"][f"{self.condition(over)} over {self.condition(base)}"] * (1 if right == over else -1)
        if by_mouse:
            for button in self.browser.find_elements("css selector", "button.sound"):
                button.click()
            self.click_slider(self.find("input[type=range]"), (wanted + 5) / 10)
        else:
            self.press("a", "b", "0")
            self.press(*[Keys.ARROW_RIGHT if wanted > 0 else Keys.ARROW_LEFT] * abs(wanted))

    def rate(self) -> None:
        """Rate one page and go on, by keyboard and by mouse in turn."""
        by_mouse = self.trials % 2 == 1
        {"mushra": self.rate_versions, "cmp": self.rate_pair}.get(self.kind, self.rate_single)(by_mouse)
        self.wait(self.may_go_on)
        before = self.count
        if by_mouse:
            self.find("#next").click()
        else:
            self.press(Keys.ENTER)
        self.wait(lambda: self.count != before)
        self.trials += 1

    def download(self) -> Path:
        before = set(self.downloads.glob("*.csv"))
        self.find("#download").click()
        self.wait(lambda: set(self.downloads.glob("*.csv")) - before)
        (path,) = set(self.downloads.glob("*.csv")) - before
        return path

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def sit_down(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Listener]]:
    """Write a listening test of excerpts of 0.3 s, and open it."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    records = []
    for item in range(2):
        record = {"id": f"song{item}"}
        for index, role in enumerate(("reference", "degraded", "restored")):
            rng = np.random.default_rng(3 * item + index)
            record[role] = str(tmp_path / f"{item}-{role}.wav")
            write_audio(record[role], 0.1 * rng.standard_normal((1, RATE // 2)).astype(np.float32), RATE)
        records.append(record)

    def sit(kind: str) -> Listener:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no need to wait for the disk
        write_listening_test(tmp_path / "page", {"cnn": records[: 1 if kind == "acr" else 2]}, kind, seconds=0.3)
        return Listener(browser, tmp_path / "page", downloads)

    yield sit
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "default"})


@pytest.mark.parametrize("kind", ["mos", "acr", "mushra", "cmp"])
def test_what_is_rated_is_what_comes_out(sit_down: Callable[[str], Listener], kind: str) -> None:
    listener = sit_down(kind)
    listener.begin("ann-1", "professional")
    total = len(listener.key["trials"])
    for number in range(1, total + 1):
        assert listener.count == f"{number} of {total}"
        listener.rate()
    path = listener.download()
    assert path.name == f"ratings-{listener.key['test']}-ann-1.csv"
    ratings = read_ratings([path])
    assert {row.system: (row.mean, row.n) for row in summarise(ratings)} == {
        name: (score, 1 if kind == "acr" else 2) for name, score in WANTED[kind].items()
    }
    assert {(rating.listener, rating.group) for rating in ratings.kept} == {("ann-1", "professional")}
    assert {rating.position for rating in ratings.kept} == set(range(1, total + 1))
    assert all(0.0 < rating.seconds < 300.0 for rating in ratings.kept)
    assert listener.errors() == []
    asked = [json.loads(entry["message"])["message"] for entry in listener.browser.get_log("performance")]
    urls = {each["params"]["request"]["url"] for each in asked if each["method"] == "Network.requestWillBeSent"}
    assert urls
    assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in urls), "it asks for nothing elsewhere"


def test_a_reload_resumes_the_test(sit_down: Callable[[str], Listener]) -> None:
    listener = sit_down("mushra")
    listener.begin("ann", "amateur")
    listener.rate()
    order = listener.codes
    listener.press("b", Keys.PAGE_UP, Keys.PAGE_UP)
    listener.browser.refresh()
    assert listener.count == "2 of 2"
    assert listener.codes == order
    outputs = [output.text for output in listener.browser.find_elements("css selector", ".versions output")]
    assert outputs == ["–", "70", "–", "–", "–"]
    listener.rate_versions(by_mouse=True)
    listener.press(Keys.ENTER)
    listener.browser.refresh()
    assert listener.count == "done"
    with listener.download().open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 10
    listener.find("#again").click()
    assert listener.find("#listener").get_attribute("value") not in ("", "ann")
    assert listener.errors() == []


def test_a_trial_needs_all_to_be_played_and_rated(sit_down: Callable[[str], Listener]) -> None:
    listener = sit_down("mushra")
    listener.begin("ann", "other")
    for keys, words in (
        ("", "listen to the reference first"),
        ("r", "listen to A, B, C, D and E"),
        ("abd", "listen to C and E"),
        ("ce", "rate A, B, C, D and E"),
    ):
        listener.press(*keys, Keys.ENTER)
        assert words in listener.find("#hint").text
        assert listener.count == "1 of 2"


def test_welcome_asks_for_the_group_and_refuses_strange_names(sit_down: Callable[[str], Listener]) -> None:
    listener = sit_down("cmp")
    listener.open()
    listener.find("button[type=submit]").click()
    assert "what kind of listener" in listener.find(".hint").text
    listener.find("input[value=other]").click()
    listener.find("#listener").send_keys('",=x')
    listener.find("button[type=submit]").click()
    assert "letters a to z" in listener.find(".hint").text
    assert listener.errors() == []


def test_each_listener_has_an_order_that_follows_from_the_name(sit_down: Callable[[str], Listener]) -> None:
    listener = sit_down("mushra")
    orders: dict[str, set[tuple[str, ...]]] = {}
    for name in ("ann", "bob", "eve", "ann"):
        listener.begin(name, "other")
        orders.setdefault(name, set()).add(tuple(map(listener.condition, listener.codes[1:])))
    assert all(len(order) == 1 for order in orders.values())
    assert len(set.union(*orders.values())) > 1


def test_an_acr_excerpt_plays_once(sit_down: Callable[[str], Listener]) -> None:
    listener = sit_down("acr")
    listener.begin("ann", "other")
    listener.press("5")
    assert not listener.browser.find_elements("css selector", "input:checked"), (
        "nothing can be rated before it was played"
    )
    listener.press(" ")
    listener.wait(lambda: listener.browser.find_elements("css selector", "fieldset:enabled"))
    assert not listener.find("button.sound").is_enabled()
    listener.press(" ")
    assert "playing" not in listener.find("button.sound").get_attribute("class")


def test_versions_continue_at_the_same_position(sit_down: Callable[[str], Listener]) -> None:
    listener = sit_down("cmp")
    listener.begin("ann", "other")
    # The audio elements are not in the document, so their positions are recorded when they are played.
    listener.browser.execute_script(
        "window.places = []; const play = Audio.prototype.play;"
        "HTMLMediaElement.prototype.play = function () { places.push(this.currentTime); return play.call(this); };"
    )
    listener.press("a")
    listener.wait(lambda: listener.find(".time i").size["width"] > 0)
    listener.press("b")
    first, second = listener.browser.execute_script("return places")
    assert first == 0.0
    assert 0.0 < second < 0.3
