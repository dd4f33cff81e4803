// The heat map: layers by looks, colour is how far a statistic is from its first look.

import {colours, html, refill, shown} from './drawing.js';
import {diverging, isLog, sequential, short, stepText, UNKNOWN} from './scales.js';

// Powers of ten at which the colours end.
const REACH = 4;

/**
 * Draws the map.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object} view  `table` of the focused run, `layers`, `statistic`, `name` of the run.
 * @param {function} choose  Called with row of the look and of the layer that are clicked.
 * @returns {function} Moves the mark to row of a look and of a layer.
 */
export function drawHeatmap(place, view, choose) {
  const {table, layers} = view;
  const looks = table.steps.length;
  const canvas = html('canvas', {
    width: Math.max(1, looks),
    height: Math.max(1, layers.length),
    class: 'heat',
    'data-key': 'heat',
    tabindex: 0,
    role: 'application',
    'aria-label':
      `Heat map of ${view.statistic}, run ${view.name}: ${layers.length} layers by ${looks} looks. ` +
      'Arrow keys choose step and layer, which are read out.',
    style: `height: ${Math.max(60, Math.min(340, layers.length * 14))}px`,
  });
  paint(canvas, view);
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const share = (value, from, size, count) =>
      Math.max(0, Math.min(count - 1, Math.floor(((value - from) / size) * count)));
    return [
      share(event.clientX, box.left, box.width, looks),
      share(event.clientY, box.top, box.height, layers.length),
    ];
  };
  canvas.addEventListener('click', (event) => choose(...at(event)));
  canvas.addEventListener('mousemove', (event) => {
    const [row, column] = at(event);
    canvas.title =
      `step ${stepText(table.steps[row])}, ${shown(layers[column]?.name ?? '')}: ` +
      `${short(table.value(row, column))} (first ${short(table.value(0, column))})`;
  });
  const mark = html('div', {class: 'mark', 'aria-hidden': 'true'});
  refill(
    place,
    html('div', {class: 'heat-row'}, labels(layers), html('div', {class: 'heat-holder'}, canvas, mark)),
    html(
      'div',
      {class: 'heat-axis'},
      html('span', {}, `step ${stepText(table.steps[0])}`),
      html('span', {}, `step ${stepText(table.steps[looks - 1])}`),
    ),
    legend(view.statistic),
  );
  return (row, layer) => {
    mark.style.left = `${((row + 0.5) / looks) * 100}%`;
    mark.style.top = `${(layer / layers.length) * 100}%`;
    mark.style.height = `${100 / layers.length}%`;
  };
}

/** Names beside the rows, as many as can be read. */
function labels(layers) {
  const step = Math.ceil(layers.length / 24);
  const names = layers.map(({name}, row) => html('span', {}, row % step ? '' : shown(name, 18)));
  return html('div', {class: 'heat-names', 'aria-hidden': 'true'}, names);
}

function paint(canvas, {table, layers, statistic}) {
  const looks = table.steps.length;
  if (!looks || !layers.length) return;
  const context = canvas.getContext('2d');
  const image = context.createImageData(looks, layers.length);
  const log = isLog(statistic);
  const bounds = log ? null : extent(table.last);
  for (let column = 0; column < layers.length; column++) {
    const first = table.value(0, column);
    for (let row = 0; row < looks; row++) {
      const colour = log
        ? change(table.extremes(row, column), first)
        : share(table.value(row, column), bounds);
      image.data.set([...colour, 255], (column * looks + row) * 4);
    }
  }
  context.putImageData(image, 0, 0);
}

/** Colour of the extreme that is farther from the first look. */
function change(extremes, first) {
  const powers = extremes.map((value) => Math.log10(Math.abs(value) / Math.abs(first)));
  const held = powers.filter((power) => !Number.isNaN(power));
  if (!held.length) return UNKNOWN;
  const farthest = held.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
  return diverging(farthest / REACH);
}

function share(value, [low, high]) {
  return sequential(high > low ? (value - low) / (high - low) : value - value);
}

function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

function legend(statistic) {
  const log = isLog(statistic);
  const stops = Array.from({length: 9}, (_, k) => {
    const [red, green, blue] = log ? diverging(k / 4 - 1) : sequential(k / 8);
    return `rgb(${red} ${green} ${blue})`;
  });
  const bar = html('span', {class: 'legend-bar'});
  bar.style.background = `linear-gradient(to right, ${stops.join(', ')})`;
  const ends = log ? ['÷ 10⁴', '× 10⁴ of the first look'] : ['least', 'greatest'];
  return html('div', {class: 'legend', style: `color: ${colours().faint}`}, ends[0], bar, ends[1]);
}
