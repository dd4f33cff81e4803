// What the server has, as arrays. Each answer is kept until the data are reloaded.

import {answer, isSaved} from './embedded.js';

const kept = new Map();

/** Forgets all answers: newer ones may be there. */
export function forget() {
  kept.clear();
}

/** The runs. */
export function runs() {
  return ask('runs', {}, json);
}

/** The problems of a run: `{problems, total}`. */
export function problems(run) {
  return ask('problems', {run}, json);
}

/** One statistic of all layers of a run: a `Table` whose columns are the layers. */
export function series(run, section, statistic, points) {
  return ask('series', {run, section, statistic, points}, table);
}

/** All statistics of one layer of a run: a `Table` whose columns are the statistics. */
export function layer(run, section, row, points) {
  return ask('layer', {run, section, layer: row, points}, table);
}

/** Histograms over the steps: `{steps, bins, shape}`. */
export function histogram(run, tag) {
  return ask('histogram', {run, tag, points: 100}, async (response) => {
    const {arrays} = unpacked(await response.arrayBuffer());
    return {steps: arrays.steps.values, bins: arrays.bins.values, shape: arrays.bins.shape};
  });
}

/** Looks by columns. Where looks are left out, `low` and `high` are the extremes among them. */
export class Table {
  constructor(steps, columns, last, low, high, about) {
    this.steps = steps;
    this.columns = columns;
    this.last = last;
    this.low = low ?? last;
    this.high = high ?? last;
    this.about = about;
  }

  /** Row of the last look at or before a step; the first one before any. */
  at(step) {
    let low = 0;
    let high = this.steps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.steps[middle] <= step) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  value(row, column) {
    return this.last[row * this.columns + column];
  }

  extremes(row, column) {
    const place = row * this.columns + column;
    return [this.low[place], this.high[place]];
  }
}

function ask(route, query, read) {
  const text = new URLSearchParams(query).toString();
  const key = text ? `${route}?${text}` : route;
  if (isSaved()) return saved(route, query);
  if (!kept.has(key)) {
    const asked = fetch(key).then(async (response) => {
      if (!response.ok) throw new Error(await reason(response));
      return read(response);
    });
    asked.catch(() => kept.delete(key));
    kept.set(key, asked);
  }
  return kept.get(key);
}

async function saved(route, query) {
  const found = answer(route, query);
  return found.columns === undefined ? found : new Table(found.steps, found.columns, found.last, null, null, found.about);
}

async function reason(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error;
  } catch {
    return `TensorBoard answered ${response.status}.`;
  }
}

function json(response) {
  return response.json();
}

async function table(response) {
  const {arrays, header} = unpacked(await response.arrayBuffer());
  const [, columns] = arrays.last.shape;
  const {steps, last, low, high} = arrays;
  return new Table(steps.values, columns, last.values, low?.values, high?.values, header);
}

function unpacked(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const arrays = {};
  for (const [name, {shape, dtype, offset}] of Object.entries(header.arrays)) {
    const length = shape.reduce((product, length) => product * length, 1);
    const kind = dtype === 'float64' ? Float64Array : Float32Array;
    arrays[name] = {shape, values: new kind(buffer, 4 + size + offset, length)};
  }
  return {arrays, header};
}
