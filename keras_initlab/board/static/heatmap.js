// The heat map: layers by looks, colour is how far a statistic is from what is expected.

import {colours, html, refill, shown} from './drawing.js';
import {MISSING, paintHeat, reachOf, ZERO} from './heat.js';
import {diverging, isLog, powerText, sequential, short, stepText} from './scales.js';

/** What a number can be held against, and how that is called. */
export const AGAINST = {
  first: 'the first snapshot',
  theory: 'theory',
  before: 'the layer before',
  value: 'nothing (plain values)',
};

/**
 * Draws the map.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object} view  `table` of the focused run; `rows`, those of the axis in order; `layers`,
 *     `graph`, `statistic`, `against` (of `AGAINST`), `theory` by row or null, `name` of the run.
 * @param {function} choose  Called with the look and the layer that are clicked.
 * @returns {function} Moves the mark to a look and a layer.
 */
export function drawHeatmap(place, view, choose) {
  const {table, layers, rows} = view;
  const looks = table.steps.length;
  const against = expectedOf(view);
  const canvas = html('canvas', {
    width: Math.max(1, looks),
    height: Math.max(1, rows.length),
    class: 'heat',
    'data-key': 'heat',
    tabindex: 0,
    role: 'application',
    'aria-label':
      `Heat map of ${view.statistic}, run ${view.name}: ${rows.length} layers by ${looks} snapshots. ` +
      'Arrow keys choose a step and a layer, and read them out.',
    style: `height: ${Math.max(60, Math.min(340, rows.length * 14))}px`,
  });
  const numbers = {...view, against};
  const reach = reachOf(numbers);
  paintHeat(canvas, numbers, reach);
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const share = (value, from, size, count) =>
      Math.max(0, Math.min(count - 1, Math.floor(((value - from) / size) * count)));
    return [
      share(event.clientX, box.left, box.width, looks),
      rows[share(event.clientY, box.top, box.height, rows.length)],
    ];
  };
  canvas.addEventListener('click', (event) => choose(...at(event)));
  canvas.addEventListener('mousemove', (event) => {
    const [look, row] = at(event);
    canvas.title =
      `step ${stepText(table.steps[look])}, ${shown(layers[row]?.name ?? '')}: ` +
      `${short(table.value(look, row))} (first ${short(table.value(0, row))})`;
  });
  const mark = html('div', {class: 'mark', 'aria-hidden': 'true'});
  refill(
    place,
    html('div', {class: 'heat-row'}, labels(layers, rows), html('div', {class: 'heat-holder'}, canvas, mark)),
    html(
      'div',
      {class: 'heat-axis'},
      html('span', {}, `step ${stepText(table.steps[0])}`),
      html('span', {}, `step ${stepText(table.steps[looks - 1])}`),
    ),
    legend(against, reach),
  );
  return (look, row) => {
    mark.style.left = `${((look + 0.5) / looks) * 100}%`;
    mark.style.top = `${(rows.indexOf(row) / rows.length) * 100}%`;
    mark.style.height = `${100 / rows.length}%`;
  };
}

/** What is wanted, as far as there is any of it. */
function expectedOf({against, statistic, theory}) {
  if (!isLog(statistic)) return 'value';
  return against === 'theory' && !theory ? 'first' : against;
}

/** Names beside the rows, as many as can be read. */
function labels(layers, rows) {
  const step = Math.ceil(rows.length / 24);
  const names = rows.map((row, at) => html('span', {}, at % step ? '' : shown(layers[row].name, 18)));
  return html('div', {class: 'heat-names', 'aria-hidden': 'true'}, names);
}

function legend(against, [low, high]) {
  const ratio = against !== 'value';
  const stops = Array.from({length: 9}, (_, k) => {
    const [red, green, blue] = ratio ? diverging(k / 4 - 1) : sequential(k / 8);
    return `rgb(${red} ${green} ${blue})`;
  });
  const bar = html('span', {class: 'legend-bar'});
  bar.style.background = `linear-gradient(to right, ${stops.join(', ')})`;
  const power = (exponent) => (Number.isInteger(exponent) ? powerText(exponent) : short(10 ** exponent));
  const ends = ratio
    ? [`÷ ${power(high)}`, `× ${power(high)} of ${AGAINST[against]}`]
    : [short(low), short(high)];
  const sign = ([red, green, blue], words) => {
    const swatch = html('span', {class: 'swatch'});
    swatch.style.background = `rgb(${red} ${green} ${blue})`;
    return html('span', {class: 'sign'}, swatch, words);
  };
  const style = `color: ${colours().faint}`;
  return html('div', {class: 'legend', style}, ends[0], bar, ends[1], sign(ZERO, 'zero'), sign(MISSING, 'missing'));
}
