// The state of the tab, and what follows from it: runs, lines, band and rows, without the page.

import {filterOf} from './runspanel.js';

/** So many runs may be shown together. */
export const MOST_RUNS = 20;

/** What a picture may leave out. */
export const SWITCHES = ['pinned', 'theory', 'band'];

/** What is looked at, and the data that are there. */
export class View {
  constructor() {
    this.runs = [];
    this.selected = new Set();
    this.focus = '';
    this.filter = '';
    this.choice = '';
    this.step = Infinity;
    this.layer = 0;
    this.pinned = true;
    this.band = true;
    this.theory = true;
    this.health = new Map();
    // Of the chosen statistic, by run; theory's by run and statistic.
    this.tables = new Map();
    this.theories = new Map();
    this.rowsHeld = new WeakMap();
    this.thresholds = null;
    this.scale = '';
    this.smoothing = 0;
    this.against = 'first';
  }

  /** The view in words, as the address keeps them. */
  words() {
    return {
      runs: JSON.stringify([...this.selected]),
      focus: this.focus,
      filter: this.filter,
      statistic: this.choice,
      step: Number.isFinite(this.step) ? String(this.step) : '',
      layer: String(this.layer),
      hide: SWITCHES.filter((name) => !this[name]).join(','),
      scale: this.scale,
      against: this.against === 'first' ? '' : this.against,
      smoothing: this.smoothing ? String(this.smoothing) : '',
    };
  }

  /** Takes the view from words, whatever they are. */
  take(words) {
    try {
      const names = JSON.parse(words.runs ?? '[]');
      if (Array.isArray(names)) this.selected = new Set(names.map(String).slice(0, MOST_RUNS));
    } catch {
      // A link that was cut short: the usual runs are shown.
    }
    this.focus = words.focus ?? '';
    this.filter = words.filter ?? '';
    this.choice = words.statistic ?? '';
    this.step = words.step && Number.isFinite(Number(words.step)) ? Number(words.step) : Infinity;
    this.layer = Math.max(0, Math.floor(Number(words.layer)) || 0);
    this.scale = ['log', 'linear'].includes(words.scale) ? words.scale : '';
    this.against = words.against || 'first';
    this.smoothing = Math.min(0.99, Math.max(0, Number(words.smoothing) || 0));
    const hidden = (words.hide ?? '').split(',');
    for (const name of SWITCHES) {
      this[name] = !hidden.includes(name);
    }
  }

  shownRuns() {
    const wanted = filterOf(this.filter);
    return this.runs.filter((run) => this.selected.has(run.name) && wanted(run.name));
  }

  runOf(name) {
    return this.runs.find((run) => run.name === name);
  }

  /** Section and name of the chosen statistic. */
  parts() {
    const [section = '', statistic = ''] = this.choice.split('/');
    return {section, statistic};
  }

  /** The run whose layers stand along the axis: the one in focus, if it has the statistic. */
  leader() {
    const runs = this.shownRuns().filter((run) => this.parts().section in run.sections);
    return runs.find((run) => run.name === this.focus) ?? runs[0];
  }

  layers() {
    return this.leader()?.sections[this.parts().section]?.layers ?? [];
  }

  /** For each layer along the axis the row that a run has for it, -1 for none. */
  rowsOf(run, section) {
    const axis = this.layers();
    const kept = this.rowsHeld.get(run.sections[section]);
    if (kept?.axis === axis) return kept.rows;
    const rows = this.rowsAnew(run, section);
    if (run.sections[section]) this.rowsHeld.set(run.sections[section], {axis, rows});
    return rows;
  }

  rowsAnew(run, section) {
    const seen = new Map();
    const keyed = (layers) => {
      seen.clear();
      return layers.map(({name}) => {
        const count = (seen.get(name) ?? 0) + 1;
        seen.set(name, count);
        return `${count} ${name}`;
      });
    };
    const own = new Map(keyed(run.sections[section]?.layers ?? []).map((key, row) => [key, row]));
    return keyed(this.layers()).map((key) => own.get(key) ?? -1);
  }

  /** Steps of all tables that are shown, rising. */
  steps() {
    const steps = new Set();
    for (const run of this.shownRuns()) {
      for (const step of this.tables.get(run.name)?.steps ?? []) steps.add(step);
    }
    return [...steps].sort((a, b) => a - b);
  }

  stepPlace(steps) {
    let place = steps.length - 1;
    while (place > 0 && steps[place] > this.step) place--;
    return Math.max(0, place);
  }

  lines() {
    const {section, statistic} = this.parts();
    return this.shownRuns()
      .filter((run) => this.tables.has(run.name))
      .map((run) => {
        const table = this.tables.get(run.name);
        const rows = this.rowsOf(run, section);
        const look = table.at(this.step);
        const cut = (array, row) =>
          Float32Array.from(rows, (column) => (column < 0 ? NaN : array[row * table.columns + column]));
        const predicted = this.theories.get(`${run.name}/${statistic}`);
        const theory = predicted ? this.theoryOf(run, predicted) : null;
        const thinned = table.low !== table.last;
        return {
          name: run.name,
          colour: run.colour,
          step: table.steps[look],
          isFirst: look === 0,
          values: cut(table.last, look),
          low: thinned ? cut(table.low, look) : null,
          high: thinned ? cut(table.high, look) : null,
          first: cut(table.last, 0),
          predicted: theory,
          theory: this.theory ? theory : null,
          missing: table.columns - rows.filter((column) => column >= 0).length,
        };
      });
  }

  /** Theory's rows, along the axis. */
  theoryOf(run, table) {
    return Float32Array.from(this.rowsOf(run, 'theory'), (row) => (row < 0 ? NaN : table.value(0, row)));
  }

  /** The numbers of the depth profile. */
  rows() {
    const head = ['run', 'step', 'depth', 'layer', 'statistic', 'value', 'first', 'theory'];
    const {statistic} = this.parts();
    const layers = this.layers();
    const rows = this.lines().flatMap((line) =>
      layers.map(({name}, row) => [
        line.name,
        line.step,
        row,
        name,
        statistic,
        line.values[row],
        line.first[row],
        line.theory ? line.theory[row] : '',
      ]),
    );
    return [head, ...rows];
  }

  /** Ours end in the layer's name; Keras's begin with it. */
  histogramTags(name) {
    const plain = name.replace(/#\d+$/, '');
    return (this.leader()?.histograms ?? []).filter(
      (tag) => tag === name || tag.endsWith(`_histogram/${name}`) || tag.startsWith(`${plain}/`),
    );
  }
}
