"""The chain language: what can be written, what is drawn from it, and how a slip of the pen is answered."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from in_memory import apply_chain

from audiorestore.damage import DAMAGES
from audiorestore.damage._chain_language import DEFAULT_CHAIN, parse_chain, parse_chains
from audiorestore.damage._damage import Choice, DamageConfig, Domain, Span, parameter
from audiorestore.errors import ExitStatus, RecordError, UsageError


def draws(text: str, key: str, count: int = 400, link: int = 0) -> list[int | float | str]:
    chain = parse_chain(text)
    rng = np.random.default_rng(0)
    return [getattr(chain.draw(rng)[link].config, key) for _ in range(count)]


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_chain(text)
    assert caught.value.status is ExitStatus.USAGE
    return str(caught.value)


def test_one_value_is_drawn_as_it_stands() -> None:
    (drawn,) = parse_chain("mp3:kbps=96,coded_rate=44100,quality=0").draw(np.random.default_rng(0))
    expected = {"name": "mp3", "kbps": 96, "mode": "cbr", "vbr_quality": 4, "coded_rate": 44100, "quality": 0}
    assert drawn.record() == expected
    assert list(drawn.record()) == list(expected)


def test_each_value_of_a_choice_comes_up_as_often() -> None:
    drawn = draws("mp3:kbps=16/32/64", "kbps")
    for kbps in (16, 32, 64):
        assert drawn.count(kbps) / len(drawn) == pytest.approx(1 / 3, abs=0.07)  # three deviations of 400 draws
    assert set(drawn) == {16, 32, 64}


def test_a_range_is_spread_evenly_between_its_bounds() -> None:
    drawn = np.array(draws("hiss:snr_db=10..30", "snr_db", 2000), float)
    assert 10 <= drawn.min() < 10.5
    assert 29.5 < drawn.max() <= 30
    assert drawn.mean() == pytest.approx(20, abs=0.5)
    assert drawn.std() == pytest.approx(20 / np.sqrt(12), abs=0.3)


def test_bounds_may_be_negative_and_equal() -> None:
    assert all(-10 <= float(value) <= -5 for value in draws("hiss:snr_db=-10..-5", "snr_db"))
    assert set(draws("hiss:snr_db=7..7", "snr_db")) == {7.0}


def test_a_range_of_whole_numbers_holds_both_ends_and_nothing_between() -> None:
    drawn = draws("mp3:quality=0..9", "quality")
    assert set(drawn) == set(range(10))
    assert all(type(value) is int for value in drawn)


def test_a_range_over_a_list_takes_what_lies_in_it() -> None:
    assert set(draws("mp3:kbps=16..48", "kbps")) == {16, 24, 32, 40, 48}
    assert set(draws("mp3:coded_rate=8000..12000", "coded_rate")) == {8000, 11025, 12000}


def test_words_and_numbers_may_stand_in_one_choice() -> None:
    assert set(draws("mp3:coded_rate=auto/16000", "coded_rate")) == {"auto", 16000}


def test_links_are_drawn_in_order_and_a_damage_may_come_twice() -> None:
    chain = parse_chain("mp3:kbps=32|hiss:snr_db=20|mp3:kbps=64")
    assert [drawn.name for drawn in chain.draw(np.random.default_rng(0))] == ["mp3", "hiss", "mp3"]
    assert draws("mp3:kbps=32|mp3:kbps=64", "kbps", 1, link=1) == [64]


def test_spaces_do_no_harm() -> None:
    spaced = parse_chain(" mp3: kbps = 32 , quality=5 | hiss:snr_db=20 ")
    assert spaced.links == parse_chain("mp3:kbps=32,quality=5|hiss:snr_db=20").links


@pytest.mark.parametrize("text", ["hiss", "hiss:"])
def test_a_name_alone_has_its_defaults(text: str) -> None:
    assert parse_chain(text).links == (("hiss", DAMAGES.load("hiss").Config()),)


def test_the_default_chain_is_the_five_rates_of_the_paper() -> None:
    assert set(draws(DEFAULT_CHAIN, "kbps")) == {16, 32, 64, 96, 128}


def test_the_same_generator_draws_the_same_and_another_something_else() -> None:
    chain = parse_chain("hiss|mp3")
    first, again, other = (chain.draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    records = [link.record() for link in first]
    assert json.loads(json.dumps(records)) == records


# What is refused, in words that help.


def test_an_unknown_damage_is_answered_with_those_there_are() -> None:
    words = refusal("mp4:kbps=16")
    assert "mp4" in words
    assert "did you mean 'mp3'?" in words
    assert all(name in words for name in DAMAGES.names())


def test_machinery_is_no_damage() -> None:
    assert "there is no damage '_damage'" in refusal("_damage")


def test_an_unknown_key_is_answered_with_the_keys_and_what_each_may_be() -> None:
    words = refusal("mp3:bitrate=32")
    assert "mp3" in words
    assert "bitrate" in words
    for part in ("kbps=8/16/24/32", "coded_rate=auto/8000", "quality=a whole number in 0..9"):
        assert part in words


def test_a_near_miss_gets_a_suggestion() -> None:
    assert "did you mean 'kbps'?" in refusal("mp3:kpbs=32")


POSSIBLE = {
    "8/16/24/32/40": "mp3:kbps=33 kbps=32.5 kbps=17..23 kbps=16/33 kbps=320..8 kbps=16//32",
    "auto/8000/11025": "mp3:coded_rate=auto..8000",
    "0..9": "mp3:quality=10 quality=-1 quality=5.5",
    "in -60..120": "hiss:snr_db=loud snr_db=nan snr_db=inf snr_db=121 snr_db=30..10 snr_db=10..20..30 snr_db=10..",
    "white/pink": "hiss:colour=blue colour=white..pink",
}


@pytest.mark.parametrize("possible", POSSIBLE)
def test_an_impossible_value_is_answered_with_the_possible_ones(possible: str) -> None:
    name, _, settings = POSSIBLE[possible].partition(":")
    for setting in settings.split():
        words = refusal(f"{name}:{setting}")
        assert all(part in words for part in (f"damage {name}", setting, possible)), words


@pytest.mark.parametrize("rest", ["kbps=32", "quality=3,kbps=16", " kbps=32", "kbps =32"])
def test_a_key_given_twice_is_refused_whatever_the_spaces(rest: str) -> None:
    assert "sets kbps twice" in refusal(f"mp3:kbps=16,{rest}")


@pytest.mark.parametrize("text", ["", " ", "mp3||hiss", "|mp3", "mp3|", ":kbps=16"])
def test_an_empty_link_is_refused(text: str) -> None:
    words = refusal(text)
    assert "empty link" in words
    assert "name:key=value" in words


@pytest.mark.parametrize("text", ["mp3:kbps", "mp3:kbps=", "mp3:32"])
def test_a_malformed_setting_is_refused(text: str) -> None:
    assert "is not written key=value" in refusal(text)


# What a damage's own file declares.


@dataclasses.dataclass(frozen=True)
class Example(DamageConfig):
    depth: int = parameter(3, Domain(int, low=1, high=5))
    where: str = parameter(Choice(("left", "right")), Domain(str, choices=("left", "right")))
    share: float = parameter(Span(0.0, 1.0), Domain(float))


def test_a_config_declares_its_parameters_once() -> None:
    assert list(Example.domains()) == ["depth", "where", "share"]
    assert [str(domain) for domain in Example.domains().values()] == [
        "a whole number in 1..5",
        "left/right",
        "a number",
    ]
    drawn = Example.parse({"depth": "2..4", "where": "left"}).draw(np.random.default_rng(0))
    assert drawn.depth in (2, 3, 4)
    assert drawn.where == "left"
    assert isinstance(drawn.share, float)


def test_what_was_drawn_is_read_back_from_a_record() -> None:
    drawn = Example.parse({"share": "0.1..0.9"}).draw(np.random.default_rng(1))
    entry = json.loads(json.dumps({**drawn.record("example"), "measured": 3}))
    assert Example.from_record(entry) == drawn


@pytest.mark.parametrize("slip", [{"depth": 9}, {"depth": None}, {"where": 3}, {"share": "much"}])
def test_a_record_that_cannot_be_read_back_is_refused_in_words(slip: dict) -> None:
    with pytest.raises(RecordError, match=f"damage example of the record has {next(iter(slip))}="):
        Example.from_record({"name": "example", "depth": 2, "where": "left", "share": 0.5} | slip)
    with pytest.raises(RecordError, match="depth=None"):
        Example.from_record({"name": "example"})


def test_a_field_not_made_by_parameter_is_a_slip_of_the_programmer() -> None:
    @dataclasses.dataclass(frozen=True)
    class Slip(DamageConfig):
        depth: int = 3

    with pytest.raises(TypeError, match="depth"):
        Slip.domains()


# Applying.


def test_damages_are_applied_in_order_and_each_tells_what_it_measured() -> None:
    waveform = 0.1 * np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    damages = parse_chain("hiss:snr_db=20|mp3:kbps=64").draw(np.random.default_rng(0))
    before = list(damages)
    degraded, reported = apply_chain(waveform, 16000, damages)
    assert degraded.shape == waveform.shape
    assert damages == before
    assert [damage["name"] for damage in reported] == ["hiss", "mp3"]
    assert "noise_dbfs" in reported[0]
    assert reported[1]["coded_rate"] == 16000  # what the frames hold, in place of "auto"
    step, _ = apply_chain(waveform, 16000, damages[:1])
    np.testing.assert_array_equal(apply_chain(step, 16000, damages[1:])[0], degraded)
    other_order, _ = apply_chain(waveform, 16000, damages[::-1])
    assert not np.array_equal(other_order, degraded)


def test_no_damage_is_no_change() -> None:
    waveform = np.ones((1, 10), np.float32)
    degraded, reported = apply_chain(waveform, 8000, [])
    np.testing.assert_array_equal(degraded, waveform)
    assert reported == []


# Several chains.


def test_one_chain_of_several_is_chosen_as_often_as_its_weight_says() -> None:
    chains = parse_chains(["2*mp3:kbps=32", "hiss", " 0.5 * hiss|mp3:kbps=16"])
    rng = np.random.default_rng(0)
    drawn = Counter(tuple(link.name for link in chains.draw(rng)) for _ in range(3500))
    assert drawn["mp3",] == pytest.approx(2000, abs=100)  # three deviations
    assert drawn["hiss",] == pytest.approx(1000, abs=90)
    assert drawn["hiss", "mp3"] == pytest.approx(500, abs=70)


def test_a_single_chain_draws_as_it_does_without_weights() -> None:
    chain = "mp3:kbps=16/32/64|hiss"
    for seed in range(5):
        alone = parse_chain(chain).draw(np.random.default_rng(seed))
        assert parse_chains([f"3*{chain}"]).draw(np.random.default_rng(seed)) == alone


@pytest.mark.parametrize("text", ["0*hiss", "-1*hiss", "x*hiss", "2*", "1e400*hiss", "2*3*hiss", ""])
def test_an_odd_weight_or_an_empty_chain_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_chains([text])


TOML = """
[[chain]]
weight = 3
text = "mp3:kbps=96|hiss:snr_db=20"

[[chain]]
[[chain.damage]]
name = "hiss"
snr_db = "10..30"
colour = ["white", "pink"]
[[chain.damage]]
name = "mp3"
kbps = [16, 32]
quality = 7
"""


def test_a_file_holds_chains(tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_text(TOML)
    chains = parse_chains([f"2*@{tmp_path / 'old.toml'}", "hiss"])
    assert [weight for weight, _ in chains.weighted] == [6.0, 2.0, 1.0]
    assert chains.weighted[0][1] == parse_chain("mp3:kbps=96|hiss:snr_db=20")
    written = parse_chain("hiss:snr_db=10..30,colour=white/pink|mp3:kbps=16/32,quality=7")
    assert chains.weighted[1][1] == written


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("[[chain]]\ntext = 'mp3:kbps=33'", "kbps=33 is not possible"),
        ("[[chain]]\ntext = 'hiss'\nsnr = 3", "a chain is a table"),
        ("[[chain]]\ntext = 'hiss'\nweight = 0", "a number above 0"),
        ("[[chain]]\ntext = 'hiss'\nweight = true", "a number above 0"),
        ("[[chain]]", "a chain is a table"),
        ("chain = 'hiss'", "a chain is a table"),
        ("", "a chain is a table"),
        ("[[chain]]\n[[chain.damage]]\nkbps = 32", "a damage without a name"),
        ("[[chain]]\n[[chain.damage]]\nname = 'hiss'\nsnr_db = 'loud'", "snr_db=loud"),
        ("[[chain]\n", "is not a TOML file"),
        (b"\xff\xfe", "is not a TOML file"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_holds_none_is_refused_in_words(tmp_path: Path, content: str | bytes | None, reported: str) -> None:
    path = tmp_path / "chains.toml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        parse_chains([f"@{path}"])
    assert reported in str(caught.value)


def test_what_is_not_installed_is_reported_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    chains = parse_chains(["mp3", "hiss"])
    chains.check()
    monkeypatch.setattr(DAMAGES.load("hiss"), "missing", lambda: "the hiss program is not installed", raising=False)
    with pytest.raises(UsageError, match="damage hiss: the hiss program is not installed"):
        chains.check()
