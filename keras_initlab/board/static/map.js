// A small map of the model between the profile and its names: which branch is which.

import {svg} from './drawing.js';

const LANE = 11;

// So many items have a mark of their own; more have one in common.
const MOST_MARKS = 600;

/** Room that the map takes. */
export function mapHeight(graph) {
  return graph.order.length ? graph.lanesCount * LANE + 14 : 0;
}

/**
 * The map: a mark for each item, in the lane of its branch, and the ways between them.
 *
 * Ways from a table are drawn for the chosen one and what it enters alone: many enter one layer.
 */
export function drawMap(view, axis, {left, right, top}, theme) {
  const {graph, items} = view;
  if (!items.length) return [];
  const lane = (place) => {
    const row = items[place].rows[0];
    return top + 8 + (graph.lanes.get(row) ?? 0) * LANE;
  };
  const curve = ([from, to]) => {
    const [x1, y1, x2, y2] = [axis.x(from), lane(from), axis.x(to), lane(to)];
    if (y1 === y2) return y1 === top + 8 && to > from + 1 ? arc(x1, x2, y1) : `M${x1} ${y1}H${x2}`;
    const bend = Math.min(14, Math.abs(x2 - x1) / 2);
    // Along the lower lane, so that no way lies on another branch.
    return y2 > y1
      ? `M${x1} ${y1}C${x1 + bend} ${y1} ${x1 + bend / 4} ${y2} ${x1 + bend} ${y2}H${x2}`
      : `M${x1} ${y1}H${x2 - bend}C${x2 - bend / 4} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  };
  const ways = [...axis.ways, ...axis.shortcuts].map(curve).join('');
  const chosen = axis.itemOf.get(view.layer);
  return [
    svg('line', {x1: left, x2: right, y1: top - 4, y2: top - 4, stroke: theme.grid}),
    ...frames(items, axis, {top, height: graph.lanesCount * LANE + 6}, theme),
    svg('path', {d: ways, fill: 'none', stroke: theme.faint, 'stroke-opacity': 0.7, class: 'map-ways'}),
    ...tableWays(view, axis, chosen, curve, theme),
    ...(items.length > MOST_MARKS
      ? crowd(items, axis, lane, theme)
      : items.map((item, place) => markOf(item, axis, place, lane(place), place === chosen, theme))),
  ];
}

function crowd(items, axis, lane, theme) {
  const d = items.map((_, place) => `M${axis.x(place).toFixed(1)} ${lane(place)}h0`).join('');
  return [svg('path', {d, stroke: theme.faint, 'stroke-width': 2, 'stroke-linecap': 'round'})];
}

/** A shortcut above its lane. */
function arc(x1, x2, y) {
  const high = Math.min(7, 3 + Math.abs(x2 - x1) / 20);
  return `M${x1} ${y}C${x1 + 4} ${y - high} ${x2 - 4} ${y - high} ${x2} ${y}`;
}

function tableWays({graph, items}, axis, chosen, curve, theme) {
  if (chosen === undefined) return [];
  const pairs = [];
  for (const row of items[chosen].rows) {
    for (const from of graph.before[row]) {
      const place = axis.itemOf.get(from);
      if (graph.tables.has(from) && place !== undefined) pairs.push([place, chosen]);
    }
    if (!graph.tables.has(row)) continue;
    for (const to of graph.behind[row]) {
      const place = axis.itemOf.get(to);
      if (place !== undefined) pairs.push([chosen, place]);
    }
  }
  const look = {fill: 'none', stroke: theme.accent, 'stroke-opacity': 0.6, class: 'map-tables'};
  return pairs.length ? [svg('path', {d: pairs.map(curve).join(''), ...look})] : [];
}

/** A frame around each block that stands unfolded. */
function frames(items, axis, {top, height}, theme) {
  const spans = new Map();
  items.forEach((item, place) => {
    if (!item.block || item.folded) return;
    const span = spans.get(item.block) ?? [place, place];
    spans.set(item.block, [span[0], place]);
  });
  return [...spans.values()].map(([from, to]) => {
    const x = axis.x(from) - axis.width(from) / 2 + 1;
    const width = axis.x(to) + axis.width(to) / 2 - 1 - x;
    return svg('rect', {x, y: top - 1, width: Math.max(1, width), height, rx: 3, fill: 'none', stroke: theme.grid});
  });
}

function markOf(item, axis, place, y, isChosen, theme) {
  const x = axis.x(place);
  const fill = isChosen ? theme.accent : theme.faint;
  const half = Math.max(1, Math.min(3.5, axis.width(place) / 2 - 0.5));
  const box = (wide, high) => ({x: x - wide, y: y - high, width: 2 * wide, height: 2 * high, fill});
  if (item.folded) return svg('rect', {...box(Math.max(half, 2), 5), rx: 1.5, class: 'map-block'});
  if (item.table) return svg('rect', {...box(Math.min(half, 2.5), Math.min(half, 2.5)), class: 'map-table'});
  return svg('circle', {cx: x, cy: y, r: half, fill, class: 'map-layer'});
}
