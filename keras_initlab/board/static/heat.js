// Colours of the heat map's cells.

import {diverging, isLog, sequential} from './scales.js';

/** A signal that is exactly zero, and one that was not measured: neither is a shade. */
export const ZERO = [156, 39, 176];
export const MISSING = [128, 128, 128];

// Powers of ten at which the colours end: at least this, so that noise stays pale.
const LEAST_REACH = 0.5;

/** The two ends of the colours: of powers of ten between number and expectation, or of numbers. */
export function reachOf(view) {
  const {table, rows, against} = view;
  if (against === 'value') {
    const log = isLog(view.statistic);
    const held = [...table.last].filter((value) => Number.isFinite(value) && (!log || value > 0));
    return held.length ? [percentile(held, 0), percentile(held, 1)] : [0, 1];
  }
  const sizes = [];
  const every = Math.max(1, Math.floor(table.steps.length / 50));
  for (const row of rows) {
    for (let look = 0; look < table.steps.length; look += every) {
      const power = Math.abs(powerOf(view, look, row, table.value(look, row)));
      if (Number.isFinite(power)) sizes.push(power);
    }
  }
  const most = sizes.length ? percentile(sizes, 0.98) : 0;
  // Whole powers where there are many.
  const reach = most > 1 ? Math.ceil(most) : Math.max(LEAST_REACH, most);
  return [-reach, reach];
}

function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.round((sorted.length - 1) * share)];
}

/** What a number is held against. */
function expected({table, against, theory, graph}, look, row) {
  if (against === 'theory') return theory[row];
  if (against === 'first') return table.value(0, row);
  const before = graph.before[row].map((from) => table.value(look, from)).filter((value) => value > 0);
  return before.length ? Math.max(...before) : NaN;
}

function powerOf(view, look, row, value) {
  return Math.log10(Math.abs(value) / Math.abs(expected(view, look, row)));
}

/** Paints a pixel for each look and row. */
export function paintHeat(canvas, view, [low, high]) {
  const {table, rows} = view;
  const looks = table.steps.length;
  if (!looks || !rows.length) return;
  const context = canvas.getContext('2d');
  const image = context.createImageData(looks, rows.length);
  const log = isLog(view.statistic);
  const scaled = (value) => (log ? Math.log10(value) : value);
  rows.forEach((row, at) => {
    for (let look = 0; look < looks; look++) {
      const colour =
        view.against === 'value'
          ? plain(table.value(look, row), log, scaled, low, high)
          : ratio(view, look, row, high);
      image.data.set([...colour, 255], (at * looks + look) * 4);
    }
  });
  context.putImageData(image, 0, 0);
}

function plain(value, log, scaled, low, high) {
  if (Number.isNaN(value)) return MISSING;
  if (log && value === 0) return ZERO;
  const [from, to] = [scaled(low), scaled(high)];
  return sequential(to > from ? (scaled(value) - from) / (to - from) : 0.5);
}

/** Colour of the extreme that is farther from what is expected. */
function ratio(view, look, row, reach) {
  const extremes = view.table.extremes(look, row);
  if (extremes.every((value) => value === 0)) return ZERO;
  const powers = extremes.map((value) => powerOf(view, look, row, value));
  const held = powers.filter((power) => !Number.isNaN(power));
  if (!held.length) return MISSING;
  const farthest = held.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
  return diverging(farthest / reach);
}
