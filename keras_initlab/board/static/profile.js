// The depth profile: layers along x in call order, one line per run.

import {colours, path, shown, svg} from './drawing.js';
import {isLog, Scale, short} from './scales.js';

const MARGIN = {top: 18, right: 16, bottom: 86, left: 58};

// Largest and smallest normal numbers; a variance is in squares of the signal's unit.
const LIMITS = {
  float16: [6.1e-5, 65504],
  bfloat16: [1.18e-38, 3.39e38],
};

/**
 * Draws the profile.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object} view  `layers` of the focused run; `statistic`; `lines`, each `{name, colour,
 *     dash, values, first, theory, low, high}`; `band`, `[low, high]` per layer or null; `layer`,
 *     the chosen row; `pinned`, whether the first look is shown; `title`.
 * @param {function} choose  Called with the row of a layer that is clicked.
 */
export function drawProfile(place, view, choose) {
  const width = Math.round(Math.max(320, place.clientWidth || 320));
  const height = Math.round(Math.max(300, Math.min(440, width * 0.45)));
  const theme = colours();
  const log = isLog(view.statistic);
  const count = Math.max(1, view.layers.length);
  const y = new Scale(log, everyValue(view), height - MARGIN.bottom, MARGIN.top);
  const x = (row) => MARGIN.left + ((row + 0.5) / count) * (width - MARGIN.left - MARGIN.right);

  const picture = svg('svg', {
    xmlns: 'http://www.w3.org/2000/svg',
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': described(view),
    'font-family': 'Roboto, Helvetica, Arial, sans-serif',
    'font-size': 11,
  });
  picture.append(
    svg('rect', {width, height, fill: theme.surface}),
    ...healthyBand(view, x, y, theme),
    ...horizontal(y, width, theme),
    ...limits(view, y, width, theme),
    ...layerLabels(view, x, height, width, theme),
    ...view.lines.flatMap((line) => lineOf(line, view, x, y)),
    svg('text', {x: MARGIN.left, y: 12, fill: theme.text, 'font-weight': 500}, view.title),
    ...emptyNote(view, width, height, theme),
    ...columns(view, x, height, width, choose),
  );
  place.replaceChildren(picture);
}

/** What a screen reader says of the picture. */
function described(view) {
  const parts = view.lines.map((line) => {
    const held = [...line.values].filter((value) => !Number.isNaN(value));
    if (!held.length) return `${line.name}: nothing measured`;
    const first = held[0];
    const last = held[held.length - 1];
    return `${line.name}: ${short(first)} in the first layer, ${short(last)} in the last`;
  });
  return `${view.title}. ${parts.join('; ')}`.slice(0, 2000);
}

function emptyNote(view, width, height, theme) {
  if (view.lines.some((line) => line.values.some((value) => !Number.isNaN(value)))) return [];
  const middle = {x: width / 2, y: height / 2 - MARGIN.bottom / 2, 'text-anchor': 'middle'};
  return [svg('text', {...middle, fill: theme.faint}, 'Nothing was measured of this statistic.')];
}

function everyValue(view) {
  const values = view.lines.flatMap((line) => [
    ...line.values,
    ...(line.low ?? []),
    ...(line.high ?? []),
    ...(line.theory ?? []),
    ...(view.pinned && line.first ? line.first : []),
  ]);
  return values;
}

function healthyBand(view, x, y, theme) {
  if (!view.band) return [];
  const upper = view.band.map(([, high], row) => [x(row), y.place(high)]);
  const lower = view.band.map(([low], row) => [x(row), y.place(low)]).reverse();
  const points = [...upper, ...lower].filter(([, at]) => !Number.isNaN(at));
  if (points.length < 4) return [];
  return [svg('path', {d: `${path(points)}Z`, fill: theme.band, class: 'band'})];
}

function horizontal(y, width, theme) {
  return y.ticks().flatMap(({value, text}) => {
    const at = y.place(value);
    return [
      svg('line', {x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at, stroke: theme.grid}),
      svg('text', {x: MARGIN.left - 6, y: at + 4, fill: theme.faint, 'text-anchor': 'end'}, text),
    ];
  });
}

function limits(view, y, width, theme) {
  // Those of a variance in bfloat16 lie where float32 has no numbers.
  const squared = /variance$/.test(view.statistic);
  if (!squared && !/(rms|min|max)$/.test(view.statistic)) return [];
  return Object.entries(LIMITS).flatMap(([type, bounds]) =>
    bounds.flatMap((bound, side) => {
      const value = squared ? bound ** 2 : bound;
      const level = y.log ? Math.log10(value) : value;
      if (level < y.low || level > y.high) return [];
      const at = y.place(value);
      const words = side ? `largest ${type}` : `smallest normal ${type}`;
      return [
        svg('line', {
          x1: MARGIN.left,
          x2: width - MARGIN.right,
          y1: at,
          y2: at,
          stroke: theme.bad,
          'stroke-dasharray': '1 3',
          class: 'limit',
        }),
        svg('text', {x: width - MARGIN.right, y: at - 3, fill: theme.bad, 'text-anchor': 'end'}, words),
      ];
    }),
  );
}

function layerLabels(view, x, height, width, theme) {
  const step = Math.ceil(view.layers.length / ((width - MARGIN.left - MARGIN.right) / 16));
  const at = height - MARGIN.bottom;
  return view.layers.flatMap((layer, row) => {
    const chosen = row === view.layer;
    if (row % step && !chosen) return [];
    const attributes = {
      x: x(row),
      y: at + 14,
      fill: chosen ? theme.accent : theme.faint,
      'font-weight': chosen ? 700 : 400,
      'text-anchor': 'end',
      transform: `rotate(-40 ${x(row).toFixed(1)} ${at + 14})`,
    };
    return [svg('text', attributes, shown(layer.name, 16))];
  });
}

function lineOf(line, view, x, y) {
  const drawn = [];
  const points = (values) => Array.from(values, (value, row) => [x(row), y.place(value)]);
  if (line.low && line.high) {
    for (let row = 0; row < line.values.length; row++) {
      const [low, high] = [y.place(line.low[row]), y.place(line.high[row])];
      if (!(Math.abs(low - high) >= 2)) continue;
      const ends = {x1: x(row), x2: x(row), y1: low, y2: high};
      drawn.push(svg('line', {...ends, stroke: line.colour, 'stroke-opacity': 0.35, 'stroke-width': 3}));
    }
  }
  if (line.theory) {
    drawn.push(strokeOf(points(line.theory), line.colour, '5 4', 1.3, 'theory'));
  }
  if (view.pinned && line.first) {
    drawn.push(strokeOf(points(line.first), line.colour, '', 1.2, 'first', 0.45));
  }
  drawn.push(strokeOf(points(line.values), line.colour, line.dash, 2, 'now'));
  // All dots in one path: lines of no length with round ends.
  const dots = [];
  points(line.values).forEach(([at, level], row) => {
    if (Number.isNaN(level)) return;
    const value = line.values[row];
    if (Number.isFinite(value) && (value > 0 || !y.log)) {
      dots.push(`M${at.toFixed(1)} ${level.toFixed(1)}h0`);
      return;
    }
    const edge = {fill: 'none', stroke: line.colour, class: 'outside'};
    drawn.push(svg('circle', {cx: at, cy: level, r: 3, ...edge}));
  });
  const size = view.layers.length > 60 ? 3.6 : 6;
  const round = {stroke: line.colour, 'stroke-width': size, 'stroke-linecap': 'round'};
  drawn.push(svg('path', {d: dots.join(''), ...round, class: 'points'}));
  return drawn;
}

function strokeOf(points, colour, dash, width, kind, opacity = 1) {
  return svg('path', {
    d: path(points),
    fill: 'none',
    stroke: colour,
    'stroke-width': width,
    'stroke-dasharray': dash || null,
    'stroke-opacity': opacity,
    class: `line ${kind}`,
  });
}

/** Invisible columns, one a layer: what a pointer touches. Their words are made when it does. */
function columns(view, x, height, width, choose) {
  const broad = (width - MARGIN.left - MARGIN.right) / Math.max(1, view.layers.length);
  const theme = colours();
  return view.layers.map((layer, row) => {
    const title = svg('title');
    const tell = () => {
      title.textContent = told(view, layer, row);
    };
    const box = {x: x(row) - broad / 2, y: MARGIN.top, width: broad, height: height - MARGIN.top};
    const look = {fill: row === view.layer ? theme.accent : 'transparent', 'fill-opacity': 0.08};
    const acts = {onclick: () => choose(row), onpointerenter: tell};
    return svg('rect', {...box, ...look, class: 'column', 'data-row': row, ...acts}, title);
  });
}

/** What is known of a layer at the step: a line for the layer, one for each run. */
export function told(view, layer, row) {
  const lines = view.lines.map((line) => {
    const theory = line.theory ? `, theory ${short(line.theory[row])}` : '';
    const first = line.first ? `, first ${short(line.first[row])}` : '';
    return `${shown(line.name)}: ${short(line.values[row])}${first}${theory}`;
  });
  const about = [layer.kind, layer.activation, layer.scheme].filter(Boolean).join(', ');
  return [`${shown(layer.name, 80)} (${shown(about, 80)})`, ...lines].join('\n');
}
