// The Signal tab: what changes what is shown.

import * as data from './data.js';
import {html, shown} from './drawing.js';
import {isSaved} from './embedded.js';
import * as host from './host.js';
import {buildPage} from './page.js';
import {Pictures} from './pictures.js';
import {opening} from './opening.js';
import {Player} from './player.js';
import {runColour} from './scales.js';
import {fillStatistics, firstChoice} from './statistics.js';
import {MOST_RUNS, SWITCHES} from './view.js';

// What changes the pictures alone, not the lists beside them.
const CHART_WORDS = new Set([
  ...['step', 'layer', 'pinned', 'theory', 'band', 'scale', 'against', 'smoothing', 'fold', 'turned'],
]);

// What one picture may cost: numbers of all runs together, four bytes each.
const MOST_NUMBERS = 350_000;

/** Builds the page. TensorBoard calls it. */
export async function render() {
  if (!isSaved()) await styled();
  document.documentElement.lang = 'en';
  if (!isSaved()) document.title = 'Signal';
  await new Tab().start();
}

/** The pictures take their colours from the style sheet. */
function styled() {
  const style = html('link', {rel: 'stylesheet', href: 'signal.css'});
  document.head.append(style);
  return new Promise((go) => {
    style.onload = go;
    style.onerror = go;
  });
}

class Tab extends Pictures {
  constructor() {
    super();
    this.host = new host.Host();
    this.player = new Player(this);
    this.turnOfData = 0;
    this.openCards = new Set();
    this.settled = false;
  }

  async start() {
    buildPage(this);
    host.followTheme((dark) => {
      document.documentElement.classList.toggle('dark', dark);
      this.dark = dark;
      this.painted = null;
      this.runs = this.runs.map((run) => ({...run, colour: runColour(run.place, dark)}));
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
        return {...run, place, colour: runColour(place, this.dark)};
      });
      const names = new Set(this.runs.map((run) => run.name));
      this.selected = new Set([...this.selected].filter((name) => names.has(name)));
      if (!this.selected.size) {
        this.selected = new Set(this.runs.slice(0, 5).map((run) => run.name));
      }
      if (!this.settled) await this.settle();
      if (!names.has(this.focus)) this.focus = [...this.selected][0] ?? '';
      this.choice = fillStatistics(this.statisticBox, this.runs, this.choice);
      await this.load();
    });
  }

  /** Opens on what matters most, where the address does not say what to show. */
  async settle() {
    if (!this.runs.length) return;
    this.settled = true;
    if (Object.values(this.asked ?? {}).some(Boolean)) return;
    const found = await opening(this.runs, data.problems);
    if (!found) return;
    const {run, problem} = found;
    const names = [run, ...[...this.selected].filter((name) => name !== run)].slice(0, 5);
    const order = this.runs.map(({name}) => name);
    this.selected = new Set(names.sort((a, b) => order.indexOf(a) - order.indexOf(b)));
    this.focus = run;
    Object.assign(this, problem ? this.seenIn(run, problem) : {step: 0, layer: 0});
  }

  /** Fetches what the pictures need, and draws as soon as the first run is there. */
  async load() {
    const turn = ++this.turnOfData;
    const {section, statistic} = this.parts();
    const shownRuns = this.shownRuns().filter((run) => run.sections[section]);
    const layers = shownRuns.map((run) => run.sections[section].layers.length);
    const columns = layers.reduce((sum, count) => sum + count, 0) || 1;
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
          if (turn !== this.turnOfData) return;
          table.of = `${section}/${statistic}`;
          this.tables.set(run.name, table);
          await this.loadTheory(run, section, statistic);
        } catch (error) {
          failures.push(`${shown(run.name)}: ${error.message}`);
        }
        if (turn === this.turnOfData) this.draw();
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
    if (turn !== this.turnOfData) return;
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
    if ('layer' in words) this.comeIntoSight();
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
      this.say(`At most ${MOST_RUNS} runs are shown together. Remove one first.`);
      this.draw();
      return;
    }
    const focus = selected.has(this.focus) ? this.focus : [...selected][0] ?? '';
    this.change({selected, focus}, true);
  }

  setFocus(name) {
    const selected = new Set(this.selected).add(name);
    if (selected.size > MOST_RUNS) {
      this.say(`At most ${MOST_RUNS} runs are shown together. Remove one first.`);
      return;
    }
    const {section} = this.parts();
    const sections = this.runOf(name)?.sections ?? {};
    const choice = section in sections ? this.choice : firstChoice(sections) ?? this.choice;
    this.statisticBox.value = choice;
    this.turnTo({focus: name, selected, choice});
  }

  /** Shows another run or statistic, and there the layer of the same name. */
  turnTo(words) {
    const name = this.layers()[this.layer]?.name;
    Object.assign(this, words);
    const row = this.layers().findIndex((layer) => layer.name === name);
    this.change({...words, layer: row < 0 ? this.layer : row}, true);
  }

  /** The last look is followed while training goes on. */
  toStep(step) {
    const steps = this.steps();
    this.change({step: step === undefined || step >= steps[steps.length - 1] ? Infinity : step});
  }

  /** Shows a problem: its run, its first layer, its step, and the statistic it was seen in. */
  go(run, problem) {
    const seen = this.seenIn(run, problem);
    this.statisticBox.value = seen.choice;
    this.change({focus: run, selected: new Set(this.selected).add(run), ...seen}, true);
  }

  /** Where a problem is seen best. */
  seenIn(run, problem) {
    const sections = this.runOf(run)?.sections ?? {};
    const ofWeights = ['gradients', 'weights'].includes(problem.what);
    const wanted = ofWeights ? 'weights' : 'activations';
    const now = this.parts().section;
    const section = [wanted, now].find((name) => name in sections) ?? Object.keys(sections)[0];
    const layers = sections[section]?.layers ?? [];
    const row = layers.findIndex((layer) => problem.layers.includes(layer.name));
    const usual = firstChoice({[section]: true}) ?? this.choice;
    const choice = section === now && this.choice ? this.choice : usual;
    return {choice, step: problem.step, layer: Math.max(0, row)};
  }

  play() {
    this.player.turn();
    this.playButton.textContent = this.player.runs ? '❚❚ Pause' : '▶ Play';
  }

  pressed(event) {
    if (event.key === 'Enter' && this.turn(this.layer)) this.drawCharts();
    if (event.key === '+') this.zoomIn();
    if (['-', 'Escape'].includes(event.key) && this.zoom) this.zoomTo(null);
    const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    const move = moves[event.key];
    const steps = this.steps();
    if (!move || event.altKey || event.ctrlKey || event.metaKey || !steps.length) return;
    event.preventDefault();
    const [along, down] = move;
    const place = Math.max(0, Math.min(steps.length - 1, this.stepPlace(steps) + along));
    const layer = this.rowBeside(this.layer, down);
    if (along) this.toStep(steps[place]);
    else this.change({layer});
  }

  remember() {
    host.writeAddress(this.words());
    this.written = JSON.stringify(host.readAddress());
  }

  restore(words) {
    this.asked = words;
    this.take(words);
    this.scaleBox.value = this.scale;
    this.againstBox.value = this.against;
    this.smoothingBox.value = this.smoothing;
    this.written = JSON.stringify(words);
    this.filterBox.value = this.filter;
    for (const name of SWITCHES) this[`${name}Box`].checked = this[name];
  }

  async copyLink() {
    this.remember();
    await this.copy(host.address(), 'Link copied; it restores this view.');
  }

  /** Copies a text; where the browser forbids it, shows it. */
  async copy(text, done = 'Copied.') {
    try {
      await navigator.clipboard.writeText(text);
      this.say(done);
    } catch {
      this.say(`To copy: ${text}`);
    }
  }
}
