// What stands along the axis of the pictures: the rows by the graph, folded and zoomed.

import {blocksOf, itemsOf, MANY_ITEMS} from './folding.js';
import {edgesAmong, graphOf} from './graph.js';
import {healthyBand} from './healthy.js';
import {View} from './view.js';

/** A view that knows how the rows of the run in focus are wired. */
export class Arranged extends View {
  constructor() {
    super();
    this.arranged = null;
    this.fold = true;
    // Blocks that stand otherwise than the switch says.
    this.turned = new Set();
    this.zoom = null;
  }

  /** The graph of the rows along the axis, and its blocks; worked out once for each run. */
  arrangement() {
    const section = this.leader()?.sections[this.parts().section];
    if (!section) return {graph: graphOf([], null), blocks: []};
    if (this.arranged?.section !== section) {
      const whole = this.leader().sections.activations;
      const edges = section.edges ?? (whole?.edges ? edgesAmong(whole, section.layers) : null);
      const graph = graphOf(section.layers, edges);
      this.arranged = {section, graph, blocks: blocksOf(section.layers, graph)};
      this.zoom = null;
    }
    return this.arranged;
  }

  isFolded(block) {
    return this.fold !== this.turned.has(keyOf(block));
  }

  /** Folds or unfolds the block of a row; false where it is in none. */
  turn(row) {
    const block = this.arrangement().blocks.find(({rows}) => rows.includes(row));
    if (!block) return false;
    const turned = new Set(this.turned);
    if (!turned.delete(keyOf(block))) turned.add(keyOf(block));
    this.turned = turned;
    this.zoom = null;
    return true;
  }

  /** The items in sight, the same ones as long as nothing is folded or zoomed anew. */
  items() {
    const {section, graph, blocks} = this.arrangement();
    const made = [section, this.fold, this.turned, this.zoom];
    if (this.made?.every((part, k) => part === made[k])) return this.inSight;
    this.made = made;
    this.inSight = this.itemsAnew(graph, blocks);
    return this.inSight;
  }

  itemsAnew(graph, blocks) {
    const layers = this.layers();
    const few = graph.order.length <= MANY_ITEMS;
    const folded = (block) => (few ? this.turned.has(keyOf(block)) : this.isFolded(block));
    const all = itemsOf(layers, graph, blocks, folded);
    return this.zoom ? all.slice(this.zoom[0], this.zoom[1] + 1) : all;
  }

  /** Ends the zoom where the chosen layer is out of it. */
  comeIntoSight() {
    if (this.zoom && !this.items().some(({rows}) => rows.includes(this.layer))) this.zoom = null;
  }

  /** The row that a move by so many items along the axis leads to. */
  rowBeside(row, by) {
    const items = this.items();
    const place = items.findIndex(({rows}) => rows.includes(row));
    const next = Math.max(0, Math.min(items.length - 1, (place < 0 ? 0 : place) + by));
    return items[next]?.rows[0] ?? row;
  }

  /** Where the callback's rules find no fault with each layer of a line. */
  bandOf(line) {
    const bounds = this.thresholds;
    if (!this.band || !line || !bounds) return null;
    const {graph} = this.arrangement();
    return healthyBand(line, {layers: this.layers(), graph, ...this.parts(), bounds});
  }
}

function keyOf(block) {
  return `${block.name} ${block.index} ${block.rows[0]}`;
}
