// Places along the axis of the profile, and the ways between them.

import {isShortcut} from './graph.js';

/** Where the items stand, and which of them a way leads from and to. */
export class Axis {
  /**
   * @param {object} graph  Of `graphOf`.
   * @param {object[]} items  Of `itemsOf`, those that are in sight.
   */
  constructor(graph, items, from, to) {
    this.graph = graph;
    this.items = items;
    const wide = items.reduce((sum, item) => sum + item.wide, 0) || 1;
    this.unit = (to - from) / wide;
    let at = from;
    this.places = items.map((item) => {
      const middle = at + (item.wide * this.unit) / 2;
      at += item.wide * this.unit;
      return middle;
    });
    this.itemOf = new Map(items.flatMap((item, place) => item.rows.map((row) => [row, place])));
    [this.ways, this.shortcuts] = this.links();
  }

  x(place) {
    return this.places[place];
  }

  width(place) {
    return this.items[place].wide * this.unit;
  }

  /** Pairs of places: ways along branches, in order, and shortcuts around them; none of tables. */
  links() {
    const ways = [];
    const shortcuts = [];
    const seen = new Set();
    this.items.forEach((item, to) => {
      for (const row of item.rows) {
        for (const before of this.graph.before[row]) {
          const from = this.itemOf.get(before);
          if (from === undefined || from === to || this.items[from].table) continue;
          const key = from * this.items.length + to;
          if (seen.has(key)) continue;
          seen.add(key);
          (isShortcut(this.graph, before, row) ? shortcuts : ways).push([from, to]);
        }
      }
    });
    return [ways, shortcuts];
  }

  /** A path along pairs of places; `y` gives the height of a place, NaN for none. */
  path(pairs, y) {
    let text = '';
    let last = -1;
    for (const [from, to] of pairs) {
      const [begin, end] = [y(from), y(to)];
      if (Number.isNaN(begin) || Number.isNaN(end)) continue;
      if (from !== last) text += `M${this.x(from).toFixed(1)} ${begin.toFixed(1)}`;
      text += `L${this.x(to).toFixed(1)} ${end.toFixed(1)}`;
      last = to;
    }
    return text;
  }

  /** The place at a horizontal position. */
  at(x) {
    let best = 0;
    this.places.forEach((place, index) => {
      if (Math.abs(place - x) < Math.abs(this.places[best] - x)) best = index;
    });
    return best;
  }
}
