// The Signal tab: what is shown, and what changes it.

import * as data from './data.js';
import {html, shown} from './drawing.js';
import {drawHeatmap} from './heatmap.js';
import * as host from './host.js';
import {drawHistograms, drawLayer} from './layerview.js';
import {buildPage} from './page.js';
import {drawProblems} from './problemlist.js';
import {drawProfile, told} from './profile.js';
import {drawRuns, isWatched} from './runspanel.js';
import {runColour, runDash, stepText} from './scales.js';
import {fillStatistics, firstChoice} from './statistics.js';
import {MOST_RUNS, SWITCHES, View} from './view.js';

// What changes the pictures alone, not the lists beside them.
const CHART_WORDS = new Set(['step', 'layer', 'pinned', 'theory', 'band']);

// What one picture may cost: numbers of all runs together, four bytes each.
const MOST_NUMBERS = 350_000;

/** Builds the page. TensorBoard calls it. */
export async function render() {
  const style = html('link', {rel: 'stylesheet', href: 'signal.css'});
  // The pictures take their colours from it.
  const styled = new Promise((go) => {
    style.onload = go;
    style.onerror = go;
  });
  document.head.append(style);
  await styled;
  document.documentElement.lang = 'en';
  document.title = 'Signal';
  await new Tab().start();
}

class Tab extends View {
  constructor() {
    super();
    this.host = new host.Host();
    this.player = null;
    this.turn = 0;
  }

  async start() {
    buildPage(this);
    host.followTheme((dark) => {
      document.documentElement.classList.toggle('dark', dark);
      this.dark = dark;
      this.painted = null;
      this.draw();
    });
    // Both come together.
    const soon = () => {
      clearTimeout(this.reloading);
      this.reloading = setTimeout(() => this.reload(), 200);
    };
    this.host.on('experimental.DataReloaded', soon);
    this.host.on('experimental.RunsChanged', soon);
    window.addEventListener('resize', () => this.draw());
    this.restore(host.readAddress());
    host.followAddress((words) => {
      // What this page has written itself changes nothing.
      if (JSON.stringify(words) === this.written) return;
      this.restore(words);
      this.reload();
    });
    await this.reload();
  }

  // --- what changes ----------------------------------------------------------------------------

  async reload() {
    data.forget();
    await this.guarded(async () => {
      const asked = this.host.send('experimental.GetRuns', []);
      const {runs, thresholds} = await data.runs();
      const all = await asked;
      this.thresholds = thresholds;
      if (all?.length) this.order = all;
      const order = [...(this.order ?? [])];
      for (const {name} of runs) {
        if (!order.includes(name)) order.push(name);
      }
      this.runs = runs.map((run) => {
        const place = order.indexOf(run.name);
        return {...run, colour: runColour(place), dash: runDash(place)};
      });
      const names = new Set(this.runs.map((run) => run.name));
      this.selected = new Set([...this.selected].filter((name) => names.has(name)));
      if (!this.selected.size) {
        this.selected = new Set(this.runs.slice(0, 5).map((run) => run.name));
      }
      if (!names.has(this.focus)) this.focus = [...this.selected][0] ?? '';
      this.choice = fillStatistics(this.statisticBox, this.runs, this.choice);
      await this.load();
    });
  }

  /** Fetches what the pictures need, and draws as soon as the first run is there. */
  async load() {
    const turn = ++this.turn;
    const {section, statistic} = this.parts();
    const shownRuns = this.shownRuns().filter((run) => run.sections[section]);
    const layers = shownRuns.map((run) => run.sections[section].layers.length);
    const columns = layers.reduce((sum, each) => sum + each, 0) || 1;
    const points = Math.max(40, Math.min(600, Math.floor(MOST_NUMBERS / (3 * columns))));
    const failures = [];
    const kept = new Set(shownRuns.map((run) => run.name));
    this.tables = new Map(
      [...this.tables].filter(
        ([name, table]) => kept.has(name) && table.of === `${section}/${statistic}`,
      ),
    );
    await Promise.all(
      shownRuns.map(async (run) => {
        try {
          const table = await data.series(run.name, section, statistic, points);
          if (turn !== this.turn) return;
          table.of = `${section}/${statistic}`;
          this.tables.set(run.name, table);
          await this.loadTheory(run, section, statistic);
        } catch (error) {
          failures.push(`${shown(run.name)}: ${error.message}`);
        }
        if (turn === this.turn) this.draw();
      }),
    );
    await Promise.all(
      this.shownRuns().map(async (run) => {
        try {
          this.health.set(run.name, await data.problems(run.name));
        } catch (error) {
          failures.push(`${shown(run.name)}: ${error.message}`);
        }
      }),
    );
    if (turn !== this.turn) return;
    this.say(failures.join(' ') || this.hint(shownRuns.length));
    this.draw();
  }

  async loadTheory(run, section, statistic) {
    const column = {variance: 'predicted_variance', mean: 'predicted_mean'}[statistic];
    if (section !== 'activations' || !column || !run.sections.theory) return;
    const table = await data.series(run.name, 'theory', column, 2);
    this.theories.set(`${run.name}/${statistic}`, table);
  }

  change(words, fetches = false) {
    Object.assign(this, words);
    // A slider moves faster than TensorBoard likes its address to change.
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => this.remember(), 250);
    if (fetches) this.guarded(() => this.load());
    else if (Object.keys(words).every((name) => CHART_WORDS.has(name))) this.drawCharts();
    else this.draw();
  }

  toggle(name) {
    const selected = new Set(this.selected);
    if (!selected.delete(name)) selected.add(name);
    if (selected.size > MOST_RUNS) {
      this.say(`At most ${MOST_RUNS} runs are shown together. Take one away first.`);
      this.draw();
      return;
    }
    const focus = selected.has(this.focus) ? this.focus : [...selected][0] ?? '';
    this.change({selected, focus}, true);
  }

  setFocus(name) {
    const selected = new Set(this.selected).add(name);
    if (selected.size > MOST_RUNS) {
      this.say(`At most ${MOST_RUNS} runs are shown together. Take one away first.`);
      return;
    }
    const {section} = this.parts();
    const sections = this.runOf(name)?.sections ?? {};
    const choice = section in sections ? this.choice : firstChoice(sections) ?? this.choice;
    this.statisticBox.value = choice;
    this.change({focus: name, selected, choice}, true);
  }

  /** The last look is followed while training goes on. */
  toStep(step) {
    const steps = this.steps();
    this.change({step: step === undefined || step >= steps[steps.length - 1] ? Infinity : step});
  }

  /** Shows a problem: its run, its first layer, its step, and the statistic it was seen in. */
  go(run, problem) {
    const sections = this.runOf(run)?.sections ?? {};
    const seenIn = problem.what === 'activations' ? 'activations' : 'weights';
    const now = this.parts().section;
    const section = [seenIn, now].find((name) => name in sections) ?? Object.keys(sections)[0];
    const layers = sections[section]?.layers ?? [];
    const row = layers.findIndex((layer) => problem.layers.includes(layer.name));
    const choice = section === now ? this.choice : firstChoice({[section]: true}) ?? this.choice;
    this.statisticBox.value = choice;
    this.change({focus: run, choice, step: problem.step, layer: Math.max(0, row)}, true);
  }

  play() {
    if (this.player) {
      clearInterval(this.player);
      this.player = null;
    } else {
      const steps = this.steps();
      if (this.stepPlace(steps) >= steps.length - 1) this.toStep(steps[0]);
      const tick = () => {
        const next = this.steps().find((step) => step > this.step);
        if (next === undefined) this.play();
        else this.toStep(next);
      };
      this.player = setInterval(tick, Math.max(50, 10000 / Math.max(1, steps.length)));
    }
    this.playButton.textContent = this.player ? '❚❚ Pause' : '▶ Play';
  }

  pressed(event) {
    const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    const move = moves[event.key];
    const steps = this.steps();
    if (!move || event.altKey || event.ctrlKey || event.metaKey || !steps.length) return;
    event.preventDefault();
    const [along, down] = move;
    const place = Math.max(0, Math.min(steps.length - 1, this.stepPlace(steps) + along));
    const layer = Math.max(0, Math.min(this.layers().length - 1, this.layer + down));
    if (along) this.toStep(steps[place]);
    else this.change({layer});
  }

  draw() {
    if (!this.runsPart) return;
    drawRuns(
      this.runsPart,
      {runs: this.runs, selected: this.selected, focus: this.focus, filter: this.filter, health: this.health},
      {toggle: (name) => this.toggle(name), focus: (name) => this.setFocus(name)},
    );
    const found = this.shownRuns()
      .filter(isWatched)
      .map((run) => ({run: run.name, colour: run.colour, ...this.health.get(run.name)}));
    drawProblems(this.problemsPart, found, (run, problem) => this.go(run, problem));
    this.drawCharts();
  }

  drawCharts() {
    const lines = this.lines();
    const layers = this.layers();
    this.layer = Math.max(0, Math.min(this.layer, layers.length - 1));
    const steps = this.steps();
    const place = this.stepPlace(steps);
    this.slider.max = Math.max(0, steps.length - 1);
    this.slider.value = place;
    this.slider.setAttribute('aria-valuetext', `step ${stepText(steps[place])}`);
    this.stepText.textContent = steps.length ? `step ${stepText(steps[place])} of ${stepText(steps[steps.length - 1])}` : '';
    const leader = this.leader();
    const focused = lines.find((line) => line.name === leader?.name);
    const {statistic} = this.parts();
    const title = `${statistic.replaceAll('_', ' ')} at step ${stepText(focused?.step ?? steps[place])}`;
    const view = {layers, statistic, lines, layer: this.layer, pinned: this.pinned, title};
    view.band = this.bandOf(focused);
    drawProfile(this.profilePart, view, (row) => this.change({layer: row}));
    const missing = lines.filter((line) => line.missing);
    const notes = missing.map(
      (line) => `${shown(line.name)} has ${line.missing} layers that ${shown(leader.name)} has not.`,
    );
    const words = layers.length ? told(view, layers[this.layer], this.layer).split('\n') : [];
    this.toldPart.textContent = [words.join('; '), ...notes].join(' ');
    this.drawHeat(layers, statistic);
    this.guarded(() => this.drawLayer(layers));
  }

  /** Painted anew only for other numbers; a step moves the mark alone. */
  drawHeat(layers, statistic) {
    const leader = this.leader()?.name ?? '';
    const table = this.tables.get(leader);
    this.focusName.textContent = shown(leader);
    if (!table) {
      this.heatPart.replaceChildren();
      this.painted = null;
      return;
    }
    if (this.painted !== table) {
      const view = {table, layers, statistic, name: leader};
      const choose = (row, layer) => {
        this.toStep(table.steps[row]);
        this.change({layer});
      };
      this.moveMark = drawHeatmap(this.heatPart, view, choose);
      this.painted = table;
    }
    this.moveMark(table.at(this.step), this.layer);
  }

  async drawLayer(layers) {
    const name = layers[this.layer]?.name;
    this.layerName.textContent = name === undefined ? '' : shown(name, 80);
    if (name === undefined) {
      this.layerPart.replaceChildren();
      return;
    }
    const {section} = this.parts();
    const shownNames = this.shownRuns().map((run) => run.name);
    const wanted = [section, name, this.focus, this.turn, this.tables.size, this.dark, ...shownNames];
    const key = JSON.stringify(wanted);
    if (this.drawnLayer === key) {
      this.moveLayerMarks?.(this.step);
      return;
    }
    this.drawnLayer = key;
    this.moveLayerMarks = null;
    const found = this.shownRuns()
      .map((run) => ({run, row: this.rowsOf(run, section)[this.layer] ?? -1}))
      .filter(({row}) => row >= 0);
    let lines;
    try {
      lines = await Promise.all(
        found.map(async ({run, row}) => ({
          name: run.name,
          colour: run.colour,
          dash: run.dash,
          statistics: run.sections[section].statistics,
          table: await data.layer(run.name, section, row, 200),
        })),
      );
    } catch (error) {
      if (this.drawnLayer === key) this.drawnLayer = null;
      throw error;
    }
    if (this.drawnLayer !== key) return;
    const statistics = this.leader()?.sections[section]?.statistics ?? [];
    this.moveLayerMarks = drawLayer(this.layerPart, {statistics, lines});
    this.moveLayerMarks(this.step);
    const tags = this.histogramTags(name);
    this.histogramPart.parentElement.hidden = !tags.length;
    if (tags.length) await drawHistograms(this.histogramPart, this.leader().name, tags, () => this.drawnLayer === key);
    else this.histogramPart.replaceChildren();
  }

  hint(count) {
    if (!this.runs.length) {
      return 'No looks yet. Train with callbacks=[ActivationVarianceLogger("logs/a_run")]; the tab reloads by itself.';
    }
    const dropped = [...this.tables.values()].reduce((sum, table) => sum + table.about.dropped, 0);
    if (dropped) return `${dropped} records could not be read and are left out.`;
    return count ? '' : 'The runs shown have no looks at this statistic. Choose another run or statistic.';
  }

  // --- address, files, messages ----------------------------------------------------------------

  remember() {
    host.writeAddress(this.words());
    this.written = JSON.stringify(host.readAddress());
  }

  restore(words) {
    this.take(words);
    this.written = JSON.stringify(words);
    this.filterBox.value = this.filter;
    for (const name of SWITCHES) this[`${name}Box`].checked = this[name];
  }

  async copyLink() {
    this.remember();
    try {
      await navigator.clipboard.writeText(host.address());
      this.say('The link is copied; it restores this view.');
    } catch {
      this.say(`The link that restores this view: ${host.address()}`);
    }
  }

  picture() {
    return this.profilePart.querySelector('svg');
  }

  fileName() {
    return `signal-${this.parts().statistic}-step-${this.lines()[0]?.step ?? 0}`;
  }

  say(text) {
    this.message.textContent = text;
  }

  async guarded(action) {
    try {
      await action();
    } catch (error) {
      this.say(error.message);
    }
  }
}
