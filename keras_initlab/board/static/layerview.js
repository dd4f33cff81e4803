// One layer: all its statistics over the steps, and its histogram over time.

import {histogram} from './data.js';
import {colours, html, path, shown, svg} from './drawing.js';
import {isLog, Scale, sequential, short, stepText} from './scales.js';

const SIZE = {width: 230, height: 104, top: 6, bottom: 16, left: 42, right: 6};

// What matters most, by kind of layer: a picture each, the rest folded.
const MATTERS = {
  table: ['variance', 'gradient_norm', 'update_ratio', 'untouched_fraction', 'weight_variance'],
  activation: ['variance', 'mean', 'dead_fraction', 'saturated_fraction', 'effective_rank'],
  reference: ['reference_variance', 'reference_mean', 'reference_dead_fraction', 'reference_effective_rank'],
  weight: ['gradient_norm', 'update_ratio', 'gradient_variance', 'weight_variance', 'weight_mean'],
};

/**
 * Draws small pictures, one a statistic.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object} view  `statistics` to draw, `lines` (each `{name, colour, statistics, table}`
 *     whose columns are its own statistics), `kind` of the layer, `smoothing` from 0 on, `more`,
 *     whether the rest is unfolded.
 * @returns {function} Moves the marks to a step.
 */
export function drawLayer(place, view) {
  const kinds = /embedding/i.test(view.kind) ? ['table'] : ['activation', 'reference', 'weight'];
  const matters = new Set(kinds.flatMap((kind) => MATTERS[kind]));
  const drawn = view.statistics.map((statistic) => small(view, statistic)).filter(Boolean);
  const [first, rest] = [true, false].map((wanted) =>
    drawn.filter(({statistic}) => matters.has(statistic) === wanted),
  );
  // Of statistics that are none of these, as of Keras's histograms, all are shown.
  const folded = first.length ? rest : [];
  const shownFirst = first.length ? first : rest;
  place.replaceChildren(...shownFirst.map(({figure}) => figure));
  if (folded.length) {
    const inside = html('div', {class: 'more'}, folded.map(({figure}) => figure));
    place.append(html('details', {open: view.more}, html('summary', {}, `${folded.length} more statistics`), inside));
  }
  return (step) => drawn.forEach(({mark}) => mark(step));
}

/** Exponential smoothing, as TensorBoard's; gaps stay gaps. */
export function smoothed(values, weight) {
  let last = 0;
  let mass = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    last = last * weight + (1 - weight) * value;
    mass = mass * weight + (1 - weight);
    return last / mass;
  });
}

function small({lines: every, smoothing}, statistic) {
  const lines = every
    .map((line) => ({...line, column: line.statistics.indexOf(statistic)}))
    .filter(({column}) => column >= 0);
  const values = lines.flatMap(({table, column}) =>
    Array.from(table.steps, (_, row) => table.extremes(row, column)).flat(),
  );
  if (!values.some((value) => !Number.isNaN(value))) return null;
  const theme = colours();
  const steps = lines.flatMap(({table}) => [table.steps[0], table.steps[table.steps.length - 1]]);
  const [from, to] = [Math.min(...steps), Math.max(...steps)];
  const y = new Scale(isLog(statistic), values, SIZE.height - SIZE.bottom, SIZE.top);
  const across = SIZE.width - SIZE.left - SIZE.right;
  const x = (step) => {
    const share = to > from ? (Math.max(from, Math.min(to, step)) - from) / (to - from) : 0.5;
    return SIZE.left + share * across;
  };
  const ends = lines.map(({name, table, column}) => {
    const value = (row) => short(table.value(row, column));
    return `${shown(name)} from ${value(0)} to ${value(table.steps.length - 1)}`;
  });
  const line = svg('line', {
    y1: SIZE.top,
    y2: SIZE.height - SIZE.bottom,
    stroke: theme.accent,
    'stroke-opacity': 0.5,
  });
  const picture = svg(
    'svg',
    {
      width: SIZE.width,
      height: SIZE.height,
      role: 'img',
      'aria-label': `${statistic}: ${ends.join(', ')}`,
      'font-size': 10,
    },
    y.ticks(3).map(({value, text}) => [
      svg('line', {
        x1: SIZE.left,
        x2: SIZE.width - SIZE.right,
        y1: y.place(value),
        y2: y.place(value),
        stroke: theme.grid,
      }),
      svg('text', {x: SIZE.left - 4, y: y.place(value) + 3, 'text-anchor': 'end', fill: theme.faint}, text),
    ]).flat(),
    svg('text', {x: SIZE.left, y: SIZE.height - 3, fill: theme.faint}, stepText(from)),
    svg('text', {x: SIZE.width - SIZE.right, y: SIZE.height - 3, fill: theme.faint, 'text-anchor': 'end'}, short(to)),
    line,
    lines.flatMap((held) => curve(held, x, y, smoothing)),
  );
  const title = html('div', {class: 'small-title'}, statistic.replaceAll('_', ' '));
  const mark = (step) => {
    line.setAttribute('x1', x(step));
    line.setAttribute('x2', x(step));
  };
  const figure = html('figure', {class: 'small', 'data-statistic': statistic}, title, picture);
  return {statistic, figure, mark};
}

function curve({table, colour, column}, x, y, smoothing) {
  const rows = Array.from(table.steps, (step, row) => row);
  const values = rows.map((row) => table.value(row, column));
  const lineOf = (held) => held.map((value, row) => [x(table.steps[row]), y.place(value)]);
  const points = lineOf(values);
  const edge = (side) =>
    rows.map((row) => [x(table.steps[row]), y.place(table.extremes(row, column)[side])]);
  const drawn = [
    svg('path', {
      d: path(points),
      fill: 'none',
      stroke: colour,
      'stroke-width': 1.5,
      'stroke-opacity': smoothing ? 0.3 : 1,
    }),
  ];
  if (smoothing) {
    // A statistic that is read in powers of ten is smoothed so.
    const held = y.log ? values.map((value) => (value > 0 ? Math.log10(value) : NaN)) : values;
    const curved = smoothed(held, smoothing).map((value) => (y.log ? 10 ** value : value));
    drawn.push(svg('path', {d: path(lineOf(curved)), fill: 'none', stroke: colour, 'stroke-width': 1.8, class: 'smooth'}));
  }
  if (table.low !== table.last) {
    const around = [...edge(1), ...edge(0).reverse()].filter(([, at]) => !Number.isNaN(at));
    drawn.unshift(svg('path', {d: `${path(around)}Z`, fill: colour, 'fill-opacity': 0.2}));
  }
  if (points.length === 1) {
    drawn.push(svg('circle', {cx: points[0][0], cy: points[0][1], r: 3, fill: colour}));
  }
  return drawn;
}

/**
 * Draws a histogram over time: steps along x, values along y, colour is the share of elements.
 *
 * @param {Element} place  Emptied and filled.
 * @param {string} run  The run.
 * @param {string[]} tags  What is logged of the layer.
 * @param {function} wanted  Whether the answer is still waited for when it comes.
 */
export async function drawHistograms(place, run, tags, wanted) {
  const pictures = await Promise.all(
    tags.slice(0, 4).map(async (tag) => ridge(tag, await histogram(run, tag))),
  );
  if (wanted()) place.replaceChildren(...pictures);
}

function ridge(tag, {steps, bins, shape}) {
  const [looks, count] = shape;
  const height = 64;
  // Ours have bins of a factor of two on either side of zero.
  const fixed = /^(activation|gradient|reference)_histogram\//.test(tag);
  const [low, high] = edgesOf(bins);
  const canvas = html('canvas', {
    width: looks,
    height,
    class: 'ridge',
    role: 'img',
    'aria-label': `Histogram of ${tag} over ${looks} snapshots, from ${short(low)} to ${short(high)}`,
  });
  const context = canvas.getContext('2d');
  const image = context.createImageData(looks, height);
  for (let look = 0; look < looks; look++) {
    const shares = sharesOf(bins, look, count, height, fixed, low, high);
    const most = Math.max(...shares) || 1;
    shares.forEach((share, level) => {
      const colour = [...sequential(share / most), share > 0 ? 255 : 0];
      image.data.set(colour, ((height - 1 - level) * looks + look) * 4);
    });
  }
  context.putImageData(image, 0, 0);
  const scale = fixed ? 'bins of a factor of two' : `${short(low)} to ${short(high)}`;
  return html(
    'figure',
    {class: 'small'},
    html('div', {class: 'small-title'}, `${shown(tag)} (${scale})`),
    canvas,
    html(
      'div',
      {class: 'heat-axis'},
      html('span', {}, `step ${stepText(steps[0])}`),
      html('span', {}, `step ${stepText(steps[looks - 1])}`),
    ),
  );
}

function sharesOf(bins, look, count, height, fixed, low, high) {
  const shares = new Array(height).fill(0);
  for (let bin = 0; bin < count; bin++) {
    const [left, right, number] = bins.subarray((look * count + bin) * 3, (look * count + bin) * 3 + 3);
    if (!(number > 0)) continue;
    if (fixed) {
      shares[Math.floor((bin / count) * height)] += number;
      continue;
    }
    const level = (value) =>
      Math.max(0, Math.min(height - 1, Math.floor(((value - low) / (high - low || 1)) * height)));
    const [first, last] = [level(left), level(right)];
    for (let place = first; place <= last; place++) shares[place] += number / (last - first + 1);
  }
  return shares;
}

function edgesOf(bins) {
  let low = Infinity;
  let high = -Infinity;
  for (let place = 0; place < bins.length; place += 3) {
    if (!(bins[place + 2] > 0)) continue;
    if (Number.isFinite(bins[place])) low = Math.min(low, bins[place]);
    if (Number.isFinite(bins[place + 1])) high = Math.max(high, bins[place + 1]);
  }
  return [low, high];
}
