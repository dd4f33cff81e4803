// What the lines of the profile are, inside the picture, so that a saved one tells it too.

import {shown, svg} from './drawing.js';

const LINE = 15;
const LETTER = 6.2;

function entriesOf(view) {
  const runs = view.lines.map((line) => ({words: shown(line.name, 28), colour: line.colour}));
  const marks = [];
  if (view.pinned) marks.push({words: 'first snapshot', width: 1.2, opacity: 0.6});
  if (view.lines.some((line) => line.theory)) marks.push({words: 'theory', dash: '5 4', width: 1.3});
  if (view.band) marks.push({words: 'healthy', band: true});
  if (view.items.some((item) => item.table)) marks.push({words: 'table', square: true});
  if (view.items.some((item) => item.folded)) marks.push({words: 'block: least, median, greatest', span: true});
  return [...runs, ...marks];
}

function placed(view, room) {
  let x = 0;
  let row = 0;
  const entries = entriesOf(view).map((entry) => {
    const wide = 26 + [...entry.words].length * LETTER + 12;
    if (x && x + wide > room) [x, row] = [0, row + 1];
    const at = {...entry, x, row};
    x += wide;
    return at;
  });
  return {entries, rows: entries.length ? row + 1 : 0};
}

/** Room that the legend takes. */
export function legendHeight(view, room) {
  return placed(view, room).rows * LINE + 6;
}

/** The legend, from `top` on. */
export function drawLegend(view, {left, right, top}, theme) {
  return placed(view, right - left).entries.flatMap((entry) => {
    const x = left + entry.x;
    const y = top + entry.row * LINE + 6;
    return [markOf(entry, x, y, theme), svg('text', {x: x + 24, y: y + 4, fill: theme.text}, entry.words)];
  });
}

function markOf({colour, dash, width, opacity, band, square, span}, x, y, theme) {
  if (band) return svg('rect', {x, y: y - 5, width: 18, height: 10, fill: theme.band});
  if (square) return svg('rect', {x: x + 6, y: y - 3, width: 6, height: 6, fill: theme.faint});
  if (span) {
    return svg('rect', {x: x + 6, y: y - 6, width: 6, height: 12, fill: theme.faint, 'fill-opacity': 0.4});
  }
  return svg('line', {
    x1: x,
    x2: x + 18,
    y1: y,
    y2: y,
    stroke: colour ?? theme.faint,
    'stroke-width': width ?? 3,
    'stroke-opacity': opacity ?? 1,
    'stroke-dasharray': dash ?? null,
  });
}
