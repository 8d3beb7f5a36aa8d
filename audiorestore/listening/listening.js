// A listening test in the browser: welcome, one trial after another, and a CSV of the ratings at the end.
//
// `test.js` comes first and sets LISTENING_TEST: {test, kind, level, trials: [{trial, stimuli, reference?}]}, all codes.
// Each step of a listener is saved in localStorage, so that a reload resumes the test.
"use strict";

(() => {
  const TEST = window.LISTENING_TEST;
  const STORE = `listening-test-${TEST && TEST.test}`;
  const COLUMNS = ["test", "kind", "listener", "group", "position", "trial", "stimulus", "against", "score", "seconds"];
  const QUALITY = ["bad", "poor", "fair", "good", "excellent"];
  const GROUPS = {
    professional: "Professional: I work with sound, as an engineer, musician, producer or researcher",
    amateur: "Amateur: I listen closely or make music in my spare time",
    other: "Other",
  };

  // What each kind of test asks, and its keys. `whole`: an excerpt must be played to its end; `single`: only once.
  const KINDS = {
    mos: {
      title: "How good does this sound?",
      task: "Rate the overall quality. Mind both: how much of the highs and lows is there, and how much noise or other "
        + "artifacts annoy you. You may listen as often as you like.",
      low: 1, high: 5, words: ["very bad", "poor", "fair", "good", "excellent"], whole: true,
      keys: [["Space", "play or pause"], ["1 … 5", "rate, from very bad to excellent"], ["← →", "one step lower or higher"]],
      show: showSlider,
    },
    acr: {
      title: "How good does this sound?",
      task: "Listen to the excerpt, which plays once only, then rate its quality.",
      low: 1, high: 5, words: QUALITY, whole: true, single: true,
      keys: [["Space", "play"], ["1 … 5", "rate, from bad to excellent"], ["← →", "one step lower or higher"]],
      show: showGrades,
    },
    mushra: {
      title: "How close is each version to the reference?",
      task: "Rate each version against the reference; any difference that you hear counts as a flaw. One of the versions "
        + "is the reference itself and should get 100. Switch as often as you like: the music continues at the same position.",
      low: 0, high: 100, words: QUALITY,
      keys: [["Space", "play or pause"], ["R", "the reference"], ["A B C …", "a version; also 1, 2, 3 … or ↑ ↓"],
        ["← →", "lower or raise its rating by 1"], ["Page ↑ ↓", "by 10"]],
      show: showVersions,
    },
    cmp: {
      title: "Which sounds better?",
      task: "Compare the two versions and say how much better one of them is. Switch as often as you like: the music "
        + "continues at the same position.",
      low: -5, high: 5,
      keys: [["Space", "play or pause"], ["A B", "a version; also 1, 2 or ↑ ↓"], ["← →", "move the rating towards A or B"],
        ["0", "no difference"]],
      show: showPair,
    },
  };
  const KIND = KINDS[TEST && TEST.kind];

  // ---- random order, the same for the same listener --------------------------------------------------------------------

  function randomFrom(text) {
    let state = 0x811c9dc5;
    for (const character of text) state = Math.imul(state ^ character.codePointAt(0), 0x01000193);
    return () => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
    };
  }

  function shuffled(list, text) {
    const random = randomFrom(text);
    const mixed = [...list];
    for (let last = mixed.length - 1; last > 0; last -= 1) {
      const other = Math.floor(random() * (last + 1));
      [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
    }
    return mixed;
  }

  const trialsFor = (listener) => shuffled(TEST.trials, `${TEST.test} ${listener}`).map((trial) => ({
    ...trial, stimuli: shuffled(trial.stimuli, `${TEST.test} ${listener} ${trial.trial}`),
  }));

  // ---- state ----------------------------------------------------------------------------------------

  let keeps = true; // whether this browser saves anything
  let state = recall() || {};
  let trials = state.listener ? trialsFor(state.listener) : [];

  function recall() {
    try {
      return JSON.parse(localStorage.getItem(STORE));
    } catch {
      keeps = false;
      return null;
    }
  }

  function remember() {
    try {
      localStorage.setItem(STORE, JSON.stringify(state));
    } catch {
      keeps = false;
    }
  }

  function asCSV() {
    const rows = trials.flatMap((trial, index) => {
      const { scores, seconds } = state.done[index];
      const row = (stimulus, against, score) => [
        TEST.test, TEST.kind, state.listener, state.group, index + 1, trial.trial, stimulus, against, score, seconds,
      ];
      if (TEST.kind === "cmp") return [row(trial.stimuli[1], trial.stimuli[0], scores.pair)];
      return trial.stimuli.map((code) => row(code, "", scores[code]));
    });
    return [COLUMNS, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
  }

  // ---- elements --------------------------------------------------------------------------------------------------

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (typeof value === "boolean") element.toggleAttribute(name, value);
      else element.setAttribute(name, value);
    }
    element.append(...children.flat());
    return element;
  }

  const byId = (id) => document.getElementById(id);

  function show(...children) {
    const title = make("h1", { tabindex: "-1" }, children.shift());
    byId("main").replaceChildren(make("section", {}, title, ...children));
    window.scrollTo(0, 0);
    title.focus();
  }

  function keysFor(keys) {
    const name = (text) => text.split(" ").map((key) => ("…" === key ? " … " : make("kbd", {}, key)))
      .flatMap((key, index) => (index ? [" ", key] : [key]));
    return make("dl", { class: "keys" }, keys.map(([key, what]) => [make("dt", {}, name(key)), make("dd", {}, what)]).flat());
  }

  // ---- sound -----------------------------------------------------------------------------------------------------

  // The excerpts of a trial. One plays at a time; switching to another continues at the same position.
  class Player {
    constructor(codes, { resume = true, onchange = () => {}, onend = () => {} } = {}) {
      this.current = codes[0];
      this.resume = resume;
      this.onchange = onchange;
      this.broken = false;
      this.sounds = new Map(codes.map((code) => {
        const sound = new Audio(`excerpts/${code}.wav`);
        sound.preload = "auto";
        sound.addEventListener("ended", () => { onend(code); onchange(); });
        sound.addEventListener("error", () => this.fail());
        return [code, sound];
      }));
    }

    get sound() { return this.sounds.get(this.current); }

    get playing() { return !this.sound.paused && !this.sound.ended; }

    play(code = this.current) {
      const before = this.sound;
      const place = before.ended || !this.resume ? 0 : before.currentTime;
      this.current = code;
      if (this.sound !== before) {
        before.pause();
        this.sound.currentTime = place;
      }
      this.sound.play().catch((error) => { if (error.name !== "AbortError") this.fail(); });
      this.onchange();
    }

    toggle(code = this.current) {
      if (code === this.current && this.playing) this.pause();
      else this.play(code);
    }

    pause() {
      this.sound.pause();
      this.onchange();
    }

    repeat(wanted) { for (const sound of this.sounds.values()) sound.loop = wanted; }

    share() { return this.sound.duration ? this.sound.currentTime / this.sound.duration : 0; }

    close() {
      for (const sound of this.sounds.values()) sound.pause();
    }

    fail() {
      if (this.broken) return;
      this.broken = true;
      const message = "An excerpt cannot be played. Please reload the page; if that does not help, tell whoever gave you this test.";
      byId("main").firstChild.append(make("p", { class: "hint", role: "alert" }, message));
    }
  }

  let player = null;

  function open(codes, options) {
    if (player) player.close();
    player = new Player(codes, options);
    return player;
  }

  function timeBar() {
    const filled = make("i");
    const bar = make("div", { class: "time", "aria-hidden": "true" }, filled);
    const mine = player;
    const step = () => {
      if (mine !== player || !bar.isConnected) return;
      filled.style.width = `${100 * mine.share()}%`;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
    return bar;
  }

  function soundButton(code, label, onclick) {
    return make("button", { type: "button", class: "sound", "data-code": code, "aria-pressed": "false", onclick }, label);
  }

  function markButtons() {
    for (const button of document.querySelectorAll("button.sound")) {
      const current = button.dataset.code === player.current;
      button.classList.toggle("playing", current && player.playing);
      button.classList.toggle("current", current && player.started === true && player.sounds.size > 1);
      button.setAttribute("aria-pressed", String(current && player.playing));
    }
  }

  // ---- welcome ---------------------------------------------------------------------------------------------------

  function welcome() {
    trials = [];
    byId("progress").hidden = true;
    byId("count").textContent = "";
    open([TEST.level], { onchange: markButtons });
    const level = soundButton(TEST.level, "Play a sound", () => player.toggle());
    const suggested = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const name = make("input", {
      type: "text", id: "listener", value: suggested, maxlength: "32", pattern: "[A-Za-z0-9_\\-]+", autocomplete: "off",
      spellcheck: "false", "aria-describedby": "listener-note",
    });
    const hint = make("p", { class: "hint", role: "status" });
    const groups = Object.entries(GROUPS).map(([group, words]) => make(
      "label", {}, make("input", { type: "radio", name: "group", value: group }), make("span", {}, words),
    ));
    const begin = (event) => {
      event.preventDefault();
      const group = form.querySelector("input[name=group]:checked");
      const listener = name.value.trim();
      if (!/^[A-Za-z0-9_-]{1,32}$/.test(listener)) {
        hint.textContent = "Your name here may have letters a to z, digits, - and _, up to 32.";
        name.focus();
      } else if (!group) {
        hint.textContent = "Please say what kind of listener you are.";
        form.querySelector("input[name=group]").focus();
      } else {
        state = { listener, group: group.value, done: [], scores: {}, heard: [], spent: 0 };
        trials = trialsFor(listener);
        remember();
        trial();
      }
    };
    const form = make("form", { onsubmit: begin, novalidate: true },
      make("fieldset", { class: "choices" }, make("legend", {}, "What kind of listener are you?"), groups),
      make("label", { class: "field", for: "listener" }, "Your name or number in this test"), name,
      make("p", { id: "listener-note" }, make("small", {}, "Keep this one, unless you were given another. It determines the order of the excerpts.")),
      make("div", { class: "foot" }, hint, make("button", { class: "main", type: "submit" }, "Begin the test")));
    show("Welcome, and thank you for listening",
      make("p", {}, `There ${TEST.trials.length === 1 ? "is one page" : `are ${TEST.trials.length} pages`} to rate. ${KIND.task}`),
      make("p", { class: "quiet" }, "Use headphones in a quiet room. You cannot go back to an earlier page, but you may take a break"
        + (keeps ? " at any time: if you close this page and open it again, it continues where you were." : "; do not close this page before the end.")),
      make("h2", {}, "Set the volume"),
      make("p", {}, "Play this as loud as is comfortable, then leave the volume as it is."),
      make("div", { class: "bar" }, level, timeBar()),
      form,
      make("h2", {}, "Keys"), make("p", {}, "Everything works with the mouse or with the keyboard:"),
      keysFor([...KIND.keys, ["Enter", "next page"]]));
  }

  // ---- a trial ---------------------------------------------------------------------------------------------------

  let started = 0; // when the listener opened this page
  let press = () => false; // handles a key; true if it did something
  let mark = () => {}; // shows the ratings
  let missing = () => ""; // says what is still to do

  function trial() {
    const index = state.done.length;
    if (index >= trials.length) {
      end();
      return;
    }
    byId("progress").hidden = false;
    byId("progress").max = trials.length;
    byId("progress").value = index;
    byId("count").textContent = `${index + 1} of ${trials.length}`;
    started = performance.now();
    const next = make("button", { type: "button", class: "main", id: "next", onclick: finish }, index + 1 < trials.length ? "Next" : "Finish");
    const hint = make("p", { class: "hint", id: "hint", role: "status" });
    const parts = KIND.show(trials[index]);
    show(KIND.title, make("p", { class: "quiet" }, KIND.task), ...parts, make("div", { class: "foot" }, hint, next),
      make("details", {}, make("summary", { class: "quiet" }, "Keys"), keysFor([...KIND.keys, ["Enter", "next page"]])));
    refresh();
  }

  function refresh() {
    mark();
    markButtons();
    const todo = missing();
    const next = byId("next");
    if (!next) return;
    next.setAttribute("aria-disabled", String(Boolean(todo)));
    if (!todo) byId("hint").textContent = "";
  }

  function hear(code) {
    if (!state.heard.includes(code)) state.heard.push(code);
    remember();
    refresh();
  }

  function rate(key, score) {
    state.scores[key] = Math.min(KIND.high, Math.max(KIND.low, Math.round(score)));
    remember();
    refresh();
  }

  function spent() { return state.spent + (performance.now() - started) / 1000; }

  function finish() {
    const todo = missing();
    if (todo) {
      byId("hint").textContent = todo;
      return;
    }
    state.done.push({ scores: state.scores, seconds: spent().toFixed(1) });
    Object.assign(state, { scores: {}, heard: [], spent: 0 });
    remember();
    trial();
  }

  function openSingle(code) {
    open([code], {
      resume: !KIND.single,
      onchange: refresh,
      onend: () => hear(code),
    });
    missing = () => {
      if (!state.heard.includes(code)) return "Please listen to the whole excerpt first.";
      return state.scores[code] === undefined ? "Please rate the excerpt." : "";
    };
  }

  function stepKeys(event, code) {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (step) rate(code, state.scores[code] === undefined ? 3 : state.scores[code] + step);
    else if (event.key >= "1" && event.key <= "5") rate(code, Number(event.key));
    else return false;
    return true;
  }

  function slider(key, label, middle) {
    const input = make("input", {
      type: "range", min: KIND.low, max: KIND.high, step: 1, value: state.scores[key] ?? middle, "aria-label": label,
    });
    const take = () => rate(key, input.valueAsNumber);
    input.addEventListener("input", take);
    input.addEventListener("click", take); // also if the thumb did not move
    return input;
  }

  function markSlider(input, key, text) {
    const score = state.scores[key];
    input.classList.toggle("unset", score === undefined);
    if (score !== undefined) input.value = score;
    input.setAttribute("aria-valuetext", score === undefined ? "not rated yet" : text(score));
  }

  const points = (labels) => make("div", { class: "scale points", "aria-hidden": "true", style: `--n: ${labels.length}` },
    labels.map(([number, word]) => make("span", {}, make("em", {}, number), word ? make("em", {}, word) : "")));

  function showSlider({ stimuli: [code] }) {
    openSingle(code);
    const input = slider(code, "Quality", 3);
    const verdict = make("p", { class: "verdict" });
    mark = () => {
      markSlider(input, code, (score) => `${score}, ${KIND.words[score - 1]}`);
      const score = state.scores[code];
      verdict.textContent = score === undefined ? "not rated yet" : KIND.words[score - 1];
    };
    press = (event) => stepKeys(event, code);
    return [
      make("div", { class: "bar" }, soundButton(code, "Play the excerpt", () => player.toggle()), timeBar()),
      make("div", { class: "rating worded" }, input, points(KIND.words.map((word, index) => [String(index + 1), word]))), verdict,
    ];
  }

  function showGrades({ stimuli: [code] }) {
    openSingle(code);
    const fresh = () => player.sound.currentTime === 0 && !player.playing && !state.heard.includes(code);
    const button = soundButton(code, "Play the excerpt", () => { if (fresh()) player.play(); });
    const radios = KIND.words.map((word, index) => make("label", {}, make("b", {}, String(index + 1)), make("span", {}, word),
      make("input", { type: "radio", name: "grade", value: index + 1, onchange: () => rate(code, index + 1) })));
    const grades = make("fieldset", { class: "choices" }, make("legend", {}, "Quality of the excerpt"), make("div", { class: "grades" }, radios));
    mark = () => {
      grades.disabled = !state.heard.includes(code);
      button.disabled = !fresh();
      const chosen = grades.querySelector(`input[value="${state.scores[code]}"]`);
      if (chosen) chosen.checked = true;
    };
    press = (event) => state.heard.includes(code) && stepKeys(event, code);
    player.sound.addEventListener("loadeddata", refresh);
    return [make("div", { class: "bar" }, button, timeBar()), grades];
  }

  // Shared by side-by-side tests: sounds are chosen by letter, number or arrow keys, and all of them must be played.
  function openMany(choices, names, onchoose) {
    open(choices, { onchange: refresh });
    const choose = (code, toggles = false) => {
      player.started = true;
      if (toggles) player.toggle(code);
      else player.play(code);
      hear(code);
      onchoose(code);
    };
    const loop = make("input", { type: "checkbox", id: "repeat", onchange: () => player.repeat(loop.checked) });
    const chooseByKey = (event) => {
      const key = event.key.toUpperCase();
      const step = { ARROWUP: -1, ARROWDOWN: 1 }[key];
      const here = choices.indexOf(player.current);
      if (step && player.started) choose(choices[(here + step + choices.length) % choices.length]);
      else if (step) choose(choices[0]);
      else if (names.includes(key)) choose(choices[names.indexOf(key)]);
      else return false;
      return true;
    };
    return { choose, chooseByKey, loop: make("label", { class: "quiet" }, loop, " Repeat") };
  }

  const listed = (names) => (names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
  const letters = (count) => Array.from({ length: count }, (_, index) => String.fromCharCode(65 + index));

  function showVersions({ stimuli, reference }) {
    const names = letters(stimuli.length);
    const sliders = stimuli.map((code, index) => slider(code, `Rating of version ${names[index]}`, 50));
    const outputs = stimuli.map(() => make("output"));
    const many = openMany([reference, ...stimuli], ["R", ...names], (code) => {
      const index = stimuli.indexOf(code);
      if (index >= 0) sliders[index].focus();
      else document.activeElement.blur();
    });
    sliders.forEach((input, index) => input.addEventListener("pointerdown", () => {
      if (player.current !== stimuli[index]) many.choose(stimuli[index]);
    }));
    mark = () => stimuli.forEach((code, index) => {
      markSlider(sliders[index], code, (score) => `${score}, ${KIND.words[Math.min(4, Math.floor(score / 20))]}`);
      outputs[index].textContent = state.scores[code] ?? "–";
    });
    missing = () => {
      const unheard = names.filter((_, index) => !state.heard.includes(stimuli[index]));
      const unrated = names.filter((_, index) => state.scores[stimuli[index]] === undefined);
      if (!state.heard.includes(reference)) return "Please listen to the reference first.";
      if (unheard.length) return `Please listen to ${listed(unheard)}, too.`;
      return unrated.length ? `Please rate ${listed(unrated)}, too.` : "";
    };
    press = (event) => {
      const number = Number(event.key);
      if (number >= 1 && number <= stimuli.length) many.choose(stimuli[number - 1]);
      else if (many.chooseByKey(event)) return true;
      else {
        const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
        const index = stimuli.indexOf(player.current);
        if (!step || index < 0) return false;
        rate(player.current, (state.scores[player.current] ?? 50) + step);
        sliders[index].focus();
      }
      return true;
    };
    const rows = stimuli.map((code, index) => [
      soundButton(code, `Version ${names[index]}`, () => many.choose(code, true)),
      make("div", { class: "track" }, sliders[index]), outputs[index],
    ]).flat();
    const given = soundButton(reference, "Reference", () => many.choose(reference, true));
    return [
      make("div", { class: "bar" }, given, timeBar(), many.loop),
      make("div", { class: "versions" },
        make("span", { class: "filler" }),
        make("div", { class: "scale bands", "aria-hidden": "true" }, KIND.words.map((word) => make("span", {}, word))),
        make("span", { class: "filler" }), rows),
    ];
  }

  function showPair({ stimuli }) {
    const names = letters(2);
    const input = slider("pair", "Which is better, from A to B", 0);
    const many = openMany(stimuli, names, () => {});
    const say = (score) => {
      if (!score) return "no difference";
      const size = ["", "slightly", "somewhat", "clearly", "much", "very much"][Math.abs(score)];
      return `${names[score > 0 ? 1 : 0]} is ${size} better (${Math.abs(score)})`;
    };
    const verdict = make("p", { class: "verdict" });
    mark = () => {
      markSlider(input, "pair", say);
      verdict.textContent = state.scores.pair === undefined ? "not rated yet" : say(state.scores.pair);
    };
    missing = () => {
      const unheard = names.filter((_, index) => !state.heard.includes(stimuli[index]));
      if (unheard.length) return `Please listen to ${listed(unheard)} first.`;
      return state.scores.pair === undefined ? "Please rate the two." : "";
    };
    press = (event) => {
      if (event.key === "1" || event.key === "2") many.choose(stimuli[Number(event.key) - 1]);
      else if (event.key === "0") rate("pair", 0);
      else if (event.key === "ArrowLeft") rate("pair", (state.scores.pair ?? 0) - 1);
      else if (event.key === "ArrowRight") rate("pair", (state.scores.pair ?? 0) + 1);
      else return many.chooseByKey(event);
      return true;
    };
    const [first, second] = stimuli.map((code, index) => soundButton(code, `Version ${names[index]}`, () => many.choose(code, true)));
    return [
      make("div", { class: "bar" }, timeBar(), many.loop),
      make("div", { class: "pair" }, first, second),
      make("div", { class: "rating" }, make("div", { class: "ends quiet", "aria-hidden": "true" }, make("span", {}, "← A is better"), make("span", {}, "B is better →")),
        input, points(Array.from({ length: 11 }, (_, index) => [String(Math.abs(index - 5))]))), verdict,
    ];
  }

  document.addEventListener("keydown", (event) => {
    const at = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey || byId("next") === null) return;
    const button = at.closest("button, summary, input[type=checkbox]");
    if (event.key === " " && !button) {
      if (KIND.single) document.querySelector("button.sound").click();
      else if (player.started || player.sounds.size === 1) player.toggle();
      else press({ key: "ArrowDown" });
    } else if (event.key === "Enter" && !button) finish();
    else if (!press(event)) return;
    event.preventDefault();
  });

  // ---- the end ---------------------------------------------------------------------------------------------------

  function end() {
    if (player) player.close();
    byId("progress").hidden = false;
    byId("progress").max = byId("progress").value = trials.length;
    byId("count").textContent = "done";
    const text = asCSV();
    const name = `ratings-${TEST.test}-${state.listener}.csv`;
    const again = make("button", { type: "button", id: "again", disabled: !state.saved, onclick: () => {
      state = {};
      remember();
      welcome();
    } }, "Begin with another listener");
    const save = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
    const download = make("button", { type: "button", class: "main", id: "download", onclick: () => {
      save.click();
      state.saved = true;
      remember();
      again.disabled = false;
    } }, "Download my ratings");
    show("Thank you, that was all",
      make("p", {}, "Download your ratings, and send the file to whoever gave you this test. Nothing has been sent so far."),
      make("div", { class: "bar" }, download, again),
      make("p", { class: "quiet" }, make("small", {}, name)),
      make("details", {}, make("summary", { class: "quiet" }, "Show what is in the file"), make("pre", { tabindex: "0" }, text)));
    download.focus();
  }

  // ---- begin -----------------------------------------------------------------------------------------------------

  window.addEventListener("pagehide", () => {
    if (!byId("next")) return;
    state.spent = spent();
    started = performance.now(); // the browser may show this page again
    remember();
  });

  if (!KIND) show("This test is incomplete", make("p", {}, "The file test.js is missing. Unpack the whole folder and open index.html in it."));
  else {
    byId("footer").hidden = false;
    if (state.listener) trial();
    else welcome();
  }
})();
