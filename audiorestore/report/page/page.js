"use strict";
// Players that switch between versions of a sound at the same position and without a gap: all versions play at the same
// time from the same sample, and only their volumes change.
(() => {
  const FADE_SECONDS = 0.005; // long enough to avoid a click, too short to be heard
  const LEAD_SECONDS = 0.03; // all versions start after this delay, so that none starts too late

  let context = null; // created on the first click: browsers allow no sound before
  let current = null; // the player used last, to which keys apply

  class Player {
    constructor(record) {
      this.record = record;
      this.root = record.querySelector(".player");
      this.button = this.root.querySelector(".play");
      this.radios = [...this.root.querySelectorAll(".versions input")];
      this.slider = this.root.querySelector(".position");
      this.time = this.root.querySelector(".time");
      this.loop = this.root.querySelector(".loop");
      this.level = this.root.querySelector(".level");
      this.failure = this.root.querySelector(".failure");
      this.seconds = Number(this.root.dataset.seconds);
      this.columns = [...record.querySelectorAll(".version")];
      this.name = this.button.getAttribute("aria-label").replace(/^Play /, "");
      this.sounds = null; // decoded while this is the current player
      this.voices = []; // what plays now: a source and a gain for each version
      this.offset = 0; // the position while nothing plays
      this.wanted = false;
      this.listen();
      this.show();
    }

    listen() {
      this.button.addEventListener("click", () => this.toggle());
      this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
      this.level.addEventListener("change", () => this.mix());
      this.loop.addEventListener("change", () => {
        if (this.voices.length) this.start(this.position());
      });
      for (const radio of this.radios) {
        radio.addEventListener("change", () => {
          this.mix();
          this.show();
        });
      }
      for (const picture of this.record.querySelectorAll(".spectrogram")) {
        picture.addEventListener("click", (event) => {
          const area = picture.querySelector("svg").getBoundingClientRect();
          const share = (event.clientX - area.left) / area.width;
          if (share >= 0 && share <= 1) this.seek(share * this.seconds);
        });
      }
    }

    get chosen() {
      return this.radios.findIndex((radio) => radio.checked);
    }

    choose(index) {
      if (index < this.radios.length && !this.radios[index].checked) {
        this.radios[index].checked = true;
        this.mix();
        this.show();
      }
    }

    toggle() {
      if (this.wanted) this.pause();
      else this.play();
    }

    async play() {
      this.wanted = true;
      claim(this);
      this.show();
      try {
        context ??= new AudioContext();
        await context.resume();
        this.sounds ??= await this.decode();
      } catch (error) {
        this.wanted = false;
        this.failure.textContent = `This browser cannot play it (${error.message}).`;
        this.failure.hidden = false;
        this.show();
        return;
      }
      if (!this.wanted || current !== this) return;
      this.failure.hidden = true;
      this.start(this.offset < this.seconds - 0.01 ? this.offset : 0);
    }

    pause() {
      this.offset = this.position();
      this.wanted = false;
      this.silence();
      this.show();
    }

    decode() {
      const packed = JSON.parse(this.root.querySelector(".sounds").textContent);
      return Promise.all(
        packed.map(async (sound) => {
          const bytes = Uint8Array.from(atob(sound.flac), (letter) => letter.charCodeAt(0));
          return { gain_db: sound.gain_db, buffer: await context.decodeAudioData(bytes.buffer) };
        }),
      );
    }

    // Start all versions on one sample.
    start(offset) {
      this.silence();
      const when = context.currentTime + LEAD_SECONDS;
      const volumes = this.volumes();
      const end = Math.min(...this.sounds.map((sound) => sound.buffer.duration));
      this.looping = this.loop.checked;
      this.voices = this.sounds.map((sound, index) => {
        const source = new AudioBufferSourceNode(context, { buffer: sound.buffer, loop: this.looping, loopEnd: end });
        const gain = new GainNode(context, { gain: 0 });
        source.connect(gain).connect(context.destination);
        source.start(when, offset);
        gain.gain.setValueAtTime(0, when);
        gain.gain.linearRampToValueAtTime(volumes[index], when + FADE_SECONDS);
        return { source, gain };
      });
      const [first] = this.voices;
      if (first) {
        first.source.onended = () => {
          if (this.voices[0] === first) this.end();
        };
      }
      this.startedAt = when - offset;
      this.startedFrom = offset;
      this.endSeconds = end;
      this.show();
      this.follow();
    }

    end() {
      this.voices = [];
      this.wanted = false;
      this.offset = 0;
      this.show();
    }

    silence() {
      for (const { source, gain } of this.voices) {
        fade(gain.gain, 0);
        source.stop(context.currentTime + 2 * FADE_SECONDS);
      }
      this.voices = [];
    }

    // Make only the chosen version audible.
    mix() {
      const volumes = this.volumes();
      this.voices.forEach(({ gain }, index) => fade(gain.gain, volumes[index]));
    }

    // The volume of each version. Matching levels never makes a version louder, so that nothing is clipped.
    volumes() {
      const sounds = this.sounds ?? [];
      const factors = sounds.map((sound) => (this.level.checked ? 10 ** (-(sound.gain_db ?? 0) / 20) : 1));
      const most = Math.max(1, ...factors);
      return factors.map((factor, index) => (index === this.chosen ? factor / most : 0));
    }

    seek(seconds) {
      this.offset = Math.min(Math.max(seconds, 0), this.seconds);
      if (this.voices.length) this.start(Math.min(this.offset, this.seconds - 0.005));
      else this.show();
    }

    position() {
      if (!this.voices.length) return this.offset;
      const run = Math.max(context.currentTime - this.startedAt, this.startedFrom);
      return this.looping ? run % this.endSeconds : Math.min(run, this.seconds);
    }

    follow() {
      if (!this.voices.length) return;
      this.show();
      requestAnimationFrame(() => this.follow());
    }

    show() {
      const position = this.position();
      const label = `${position.toFixed(1)} s`;
      this.slider.value = position;
      this.slider.setAttribute("aria-valuetext", label);
      if (this.time.textContent !== label) this.time.textContent = label;
      this.root.classList.toggle("playing", this.wanted);
      this.button.setAttribute("aria-label", `${this.wanted ? "Pause" : "Play"} ${this.name}`);
      this.columns.forEach((column, index) => column.classList.toggle("heard", index === this.chosen));
      for (const line of this.record.querySelectorAll(".playhead")) {
        const area = line.parentNode.querySelector("svg");
        const at = Number(area.getAttribute("x")) + (Number(area.getAttribute("width")) * position) / this.seconds;
        line.setAttribute("x1", at);
        line.setAttribute("x2", at);
      }
    }
  }

  // Only one player plays and keeps its decoded sounds: many would fill the memory.
  function claim(player) {
    if (current === player) return;
    if (current) {
      if (current.wanted) current.pause();
      current.sounds = null;
      current.record.classList.remove("active");
    }
    current = player;
    player.record.classList.add("active");
  }

  function fade(parameter, target) {
    const now = context.currentTime;
    parameter.cancelScheduledValues(now);
    parameter.setValueAtTime(parameter.value, now);
    parameter.linearRampToValueAtTime(target, now + FADE_SECONDS);
  }

  const players = new Map();
  for (const record of document.querySelectorAll(".record")) {
    if (record.querySelector(".player")) players.set(record, new Player(record));
  }

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const player = players.get(event.target.closest?.(".record")) ?? current;
    if (!player) return;
    if (/^[1-9]$/.test(event.key)) {
      player.choose(Number(event.key) - 1);
      event.preventDefault();
    } else if (event.key === " " && !event.target.closest("button, a, summary, input[type=checkbox]")) {
      player.toggle();
      event.preventDefault();
    }
  });
})();
