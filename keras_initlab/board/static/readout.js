// What the pointer and the keyboard do on the profile: a crosshair with numbers, choosing, zoom.

import {html, shown, svg} from './drawing.js';
import {spanOf} from './folding.js';
import {short} from './scales.js';

// A drag shorter than this is a click, in pixels.
const SHORTEST_DRAG = 8;

// So many columns may stand for themselves; of more the place of the pointer is worked out.
const MOST_COLUMNS = 600;

/**
 * Lets a profile be read off.
 *
 * @param {Element} place  Where the profile is drawn.
 * @param {object} drawn  What `drawProfile` gave back.
 * @param {object} view  What it was given.
 * @param {object} act  `choose(row)`, `turn(row)` folds a block, `zoom([from, to] or null)`.
 */
export function readable(place, drawn, view, act) {
  const {axis, frame, picture} = drawn;
  if (!view.items.length) return;
  const line = svg('line', {y1: frame.top, y2: frame.bottom, class: 'crosshair', visibility: 'hidden'});
  const dragged = svg('rect', {y: frame.top, height: frame.bottom - frame.top, class: 'dragged', visibility: 'hidden'});
  const table = html('div', {class: 'readout', hidden: true, 'aria-hidden': 'true'});
  const single = view.items.length <= MOST_COLUMNS;
  if (single && drawn.still.columns === undefined) {
    drawn.still.columns = view.items.map((item, at) => columnOf(item, at, axis, frame));
  }
  picture.append(dragged, line, ...(drawn.still.columns ?? []));
  place.append(table);
  const show = (at) => {
    line.setAttribute('x1', axis.x(at));
    line.setAttribute('x2', axis.x(at));
    line.setAttribute('visibility', 'visible');
    table.replaceChildren(...numbersOf(view, view.items[at]));
    table.hidden = false;
    const right = axis.x(at) < frame.width / 2;
    table.style.left = right ? `${axis.x(at) + 12}px` : 'auto';
    table.style.right = right ? 'auto' : `${frame.width - axis.x(at) + 12}px`;
    table.style.top = `${frame.top + 4}px`;
  };
  const hide = () => {
    line.setAttribute('visibility', 'hidden');
    table.hidden = true;
  };
  const xOf = (event) => event.clientX - picture.getBoundingClientRect().left;
  let begin = null;
  picture.addEventListener('pointerdown', (event) => {
    begin = xOf(event);
  });
  picture.addEventListener('pointermove', (event) => {
    const x = xOf(event);
    show(axis.at(x));
    if (begin === null || Math.abs(x - begin) < SHORTEST_DRAG) return;
    dragged.setAttribute('x', Math.min(x, begin));
    dragged.setAttribute('width', Math.abs(x - begin));
    dragged.setAttribute('visibility', 'visible');
  });
  picture.addEventListener('pointerup', (event) => {
    const from = begin;
    begin = null;
    dragged.setAttribute('visibility', 'hidden');
    if (from === null || Math.abs(xOf(event) - from) < SHORTEST_DRAG) return;
    const ends = [axis.at(from), axis.at(xOf(event))].sort((a, b) => a - b);
    if (ends[1] > ends[0]) act.zoom(ends);
  });
  picture.addEventListener('pointerleave', hide);
  picture.addEventListener('dblclick', () => act.zoom(null));
  const clicked = (at, event) => {
    const item = view.items[at];
    const isMap = event.clientY - picture.getBoundingClientRect().top > frame.bottom;
    if (isMap && item.block && act.turn(item.rows[0])) return;
    act.choose(item.rows[0]);
  };
  const columnAt = (event) => event.target.closest?.('.column')?.dataset.at;
  picture.addEventListener('pointerover', (event) => {
    const at = columnAt(event);
    if (at !== undefined) show(Number(at));
  });
  picture.addEventListener('click', (event) => clicked(Number(columnAt(event) ?? axis.at(xOf(event))), event));
  // The keyboard's place is the chosen layer.
  const chosen = axis.itemOf.get(view.layer);
  if (place === document.activeElement && chosen !== undefined) show(chosen);
}

function columnOf(item, at, axis, frame) {
  const wide = axis.width(at);
  const box = {x: axis.x(at) - wide / 2, y: frame.top, width: wide, height: frame.bottom + frame.map - frame.top};
  return svg('rect', {...box, fill: 'transparent', class: 'column', 'data-row': item.rows[0], 'data-at': at});
}

/** The numbers of an item, a row for each run. */
export function numbersOf(view, item) {
  const layer = view.layers[item.rows[0]];
  const about = item.folded
    ? `${item.rows.length} layers, block ${item.block.index + 1} of ${item.block.of} alike; least, median, greatest`
    : [layer.kind, layer.activation, layer.scheme].filter(Boolean).join(', ');
  const cell = (values) => {
    if (!values) return '–';
    const span = spanOf(values, item);
    return item.rows.length > 1 ? span.map(short).join(' · ') : short(span[1]);
  };
  const head = ['run', 'now', 'first', 'theory'].map((text) => html('th', {}, text));
  const rows = view.lines.map((line) => {
    const swatch = html('span', {class: 'swatch'});
    swatch.style.background = line.colour;
    const cells = [line.values, line.first, line.theory].map((values) => html('td', {}, cell(values)));
    return html('tr', {}, html('td', {}, swatch, shown(line.name, 24)), cells);
  });
  return [
    html('strong', {}, shown(item.name, 60)),
    html('div', {class: 'note'}, shown(about, 90)),
    html('table', {}, html('thead', {}, html('tr', {}, head)), html('tbody', {}, rows)),
  ];
}
