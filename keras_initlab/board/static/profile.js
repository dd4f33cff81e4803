// The depth profile: layers along x, branch by branch; a line per run along the model's paths.

import {Axis} from './axis.js';
import {colours, shown, svg} from './drawing.js';
import {spanOf} from './folding.js';
import {drawLegend, legendHeight} from './legend.js';
import {drawMap, mapHeight} from './map.js';
import {isLog, Scale, short} from './scales.js';

const MARGIN = {top: 22, right: 16, bottom: 82, left: 58};

// Names along the axis stand so far apart, in pixels.
const NAME_ROOM = 18;

// Largest and smallest normal numbers; a variance is in squares of the signal's unit.
const LIMITS = {
  float16: [6.1e-5, 65504],
  bfloat16: [1.18e-38, 3.39e38],
};

/**
 * Draws the profile.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object} view  `layers` of the focused run; `graph` and `items` of them; `statistic`;
 *     `scale`, `log` or `linear` or empty for the usual one; `lines`, each `{name, colour, values,
 *     first, theory, low, high}`; `band`, `[low, high]` per row or null; `layer`, the chosen row;
 *     `pinned`, whether the first look is shown; `title`.
 * @returns {object}  `axis`, `frame`, `picture` and `still`, for what the pointer does.
 */
export function drawProfile(place, view) {
  const width = Math.round(Math.max(320, place.clientWidth || 320));
  const theme = colours();
  const map = mapHeight(view.graph);
  const legend = legendHeight(view, width - MARGIN.left - MARGIN.right);
  const top = MARGIN.top + legend;
  const plot = Math.round(Math.max(200, Math.min(300, width * 0.3)));
  const bottom = top + plot;
  const height = bottom + map + MARGIN.bottom;
  const log = view.scale ? view.scale === 'log' : isLog(view.statistic);
  const y = new Scale(log, everyValue(view), bottom, top);
  const frame = {left: MARGIN.left, right: width - MARGIN.right, top, bottom, map, width};
  const still = stillOf(view, frame, theme);
  const {axis} = still;

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
    ...healthyBand(view, axis, y, theme),
    ...horizontal(y, frame, theme),
    ...limits(view, y, frame, theme),
    ...still.parts,
    ...view.lines.flatMap((line) => lineOf(line, view, axis, y)),
    svg('text', {x: MARGIN.left, y: 14, fill: theme.text, 'font-weight': 500}, view.title),
    ...drawLegend(view, {...frame, top: MARGIN.top}, theme),
    ...emptyNote(view, frame, theme),
  );
  place.replaceChildren(picture);
  return {axis, frame, picture, still};
}

// What does not change with the step: the axis, the map and the names.
let kept = {};

function stillOf(view, frame, theme) {
  const key = JSON.stringify([view.layer, frame, theme]);
  if (kept.items !== view.items || kept.key !== key) {
    const axis = new Axis(view.graph, view.items, frame.left, frame.right);
    const parts = [
      ...chosenMark(view, axis, frame, theme),
      ...drawMap(view, axis, {...frame, top: frame.bottom + 4}, theme),
      ...layerLabels(view, axis, {...frame, top: frame.bottom + frame.map}, theme),
    ];
    kept = {items: view.items, key, axis, parts};
  }
  return kept;
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

function emptyNote(view, {width, top, bottom}, theme) {
  if (view.lines.some((line) => line.values.some((value) => !Number.isNaN(value)))) return [];
  const middle = {x: width / 2, y: (top + bottom) / 2, 'text-anchor': 'middle'};
  return [svg('text', {...middle, fill: theme.faint}, 'Nothing was measured for this statistic.')];
}

function everyValue(view) {
  const rows = view.items.flatMap((item) => item.rows);
  const of = (values) => (values ? rows.map((row) => values[row]) : []);
  return view.lines.flatMap((line) => [
    ...of(line.values),
    ...of(line.low),
    ...of(line.high),
    ...of(line.theory),
    ...(view.pinned ? of(line.first) : []),
  ]);
}

/** A step for each item: what lies between two layers belongs to neither. */
function healthyBand(view, axis, y, theme) {
  if (!view.band) return [];
  let text = '';
  view.items.forEach((item, place) => {
    const bounds = item.rows.map((row) => view.band[row]).filter(([low]) => !Number.isNaN(low));
    if (!bounds.length) return;
    const low = y.place(Math.max(...bounds.map(([least]) => least)));
    const high = y.place(Math.min(...bounds.map(([, most]) => most)));
    if (Number.isNaN(low) || Number.isNaN(high) || high > low) return;
    const [from, to] = [-0.5, 0.5].map((side) => (axis.x(place) + side * axis.width(place)).toFixed(1));
    text += `M${from} ${low.toFixed(1)}H${to}V${high.toFixed(1)}H${from}Z`;
  });
  return text ? [svg('path', {d: text, fill: theme.band, class: 'band'})] : [];
}

function horizontal(y, {left, right}, theme) {
  return y.ticks().flatMap(({value, text}) => {
    const at = y.place(value);
    return [
      svg('line', {x1: left, x2: right, y1: at, y2: at, stroke: theme.grid}),
      svg('text', {x: left - 6, y: at + 4, fill: theme.faint, 'text-anchor': 'end'}, text),
    ];
  });
}

function limits(view, y, {left, right}, theme) {
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
      const dots = {stroke: theme.bad, 'stroke-dasharray': '1 3', class: 'limit'};
      return [
        svg('line', {x1: left, x2: right, y1: at, y2: at, ...dots}),
        svg('text', {x: right, y: at - 3, fill: theme.bad, 'text-anchor': 'end'}, words),
      ];
    }),
  );
}

function chosenMark(view, axis, {top, bottom, map}, theme) {
  const place = axis.itemOf.get(view.layer);
  if (place === undefined) return [];
  const wide = Math.max(3, axis.width(place));
  const box = {x: axis.x(place) - wide / 2, y: top, width: wide, height: bottom + map - top};
  return [svg('rect', {...box, fill: theme.accent, 'fill-opacity': 0.12, class: 'chosen'})];
}

/** Names below the axis, as many as have room; the chosen one always has. */
function layerLabels(view, axis, {top}, theme) {
  const chosen = axis.itemOf.get(view.layer);
  let last = -Infinity;
  return view.items.flatMap((item, place) => {
    const x = axis.x(place);
    const isChosen = place === chosen;
    const crowded = x - last < NAME_ROOM || Math.abs(x - (axis.x(chosen) ?? -99)) < NAME_ROOM;
    if (crowded && !isChosen) return [];
    last = x;
    const attributes = {
      x: x + 3,
      y: top + 12,
      fill: isChosen ? theme.accent : theme.faint,
      'font-weight': isChosen ? 700 : 400,
      'font-style': item.table ? 'italic' : null,
      'text-anchor': 'end',
      transform: `rotate(-40 ${(x + 3).toFixed(1)} ${top + 12})`,
    };
    return [svg('text', attributes, shown(item.name, 16))];
  });
}

function lineOf(line, view, axis, y) {
  const level = (values, side = 1) => (place) => y.place(spanOf(values, view.items[place])[side]);
  const drawn = [...ranges(line, view, axis, y)];
  const stroke = (values, look) => {
    const at = level(values);
    drawn.push(svg('path', {d: axis.path(axis.ways, at), fill: 'none', stroke: line.colour, ...look}));
  };
  if (line.theory) stroke(line.theory, {'stroke-width': 1.3, 'stroke-dasharray': '5 4', class: 'line theory'});
  if (view.pinned && line.first) {
    stroke(line.first, {'stroke-width': 1.2, 'stroke-opacity': 0.45, class: 'line first'});
  }
  const at = level(line.values);
  const thin = {fill: 'none', stroke: line.colour, 'stroke-width': 1.2, 'stroke-opacity': 0.5};
  // Around other branches the way is thin: no layer stands on it.
  const around = [...axis.shortcuts, ...axis.ways.filter(([from, to]) => to > from + 1)];
  if (around.length) drawn.push(svg('path', {d: axis.path(around, at), ...thin, class: 'line around'}));
  const d = axis.path(axis.ways.filter(([from, to]) => to === from + 1), at);
  drawn.push(svg('path', {d, fill: 'none', stroke: line.colour, 'stroke-width': 2, class: 'line now'}));
  drawn.push(...dots(line, view, axis, at, y));
  return drawn;
}

/** What a thinned look leaves out, and the span of a folded block. */
function ranges(line, view, axis, y) {
  return view.items.flatMap((item, place) => {
    const folded = item.rows.length > 1;
    if (!folded && !line.low) return [];
    const low = y.place(spanOf(line.low ?? line.values, item)[0]);
    const high = y.place(spanOf(line.high ?? line.values, item)[2]);
    if (!(Math.abs(low - high) >= 2)) return [];
    const ends = {x1: axis.x(place), x2: axis.x(place), y1: low, y2: high};
    const wide = folded ? Math.max(3, Math.min(12, axis.width(place) * 0.6)) : 3;
    const look = {'stroke-opacity': 0.3, 'stroke-width': wide, class: folded ? 'span' : 'range'};
    return [svg('line', {...ends, stroke: line.colour, ...look})];
  });
}

function dots(line, view, axis, at, y) {
  // All dots in one path: lines of no length with round ends.
  const solid = {steady: '', table: ''};
  const drawn = [];
  view.items.forEach((item, place) => {
    const [x, level] = [axis.x(place), at(place)];
    if (Number.isNaN(level)) return;
    const value = spanOf(line.values, item)[1];
    if (Number.isFinite(value) && (value > 0 || !y.log)) {
      solid[item.table ? 'table' : 'steady'] += `M${x.toFixed(1)} ${level.toFixed(1)}h0`;
      return;
    }
    drawn.push(svg('circle', {cx: x, cy: level, r: 3, fill: 'none', stroke: line.colour, class: 'outside'}));
  });
  const size = view.items.length > 100 ? 3 : 6;
  const round = {stroke: line.colour, 'stroke-width': size, 'stroke-linecap': 'round'};
  drawn.push(svg('path', {d: solid.steady, ...round, class: 'points'}));
  const square = {...round, 'stroke-linecap': 'square', 'stroke-width': size - 1};
  if (solid.table) drawn.push(svg('path', {d: solid.table, ...square, class: 'points tables'}));
  return drawn;
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
