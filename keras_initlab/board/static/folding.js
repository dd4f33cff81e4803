// Blocks that are alike, and what stands along the axis when they are folded.

// Rows of a block at most, and blocks at least that count as repeated.
const MOST_ROWS = 48;
const LEAST_BLOCKS = 3;

/** More items than these are hard to tell apart: blocks that are alike are folded then. */
export const MANY_ITEMS = 60;

/**
 * The blocks that repeat along the axis.
 *
 * @returns {object[]}  Each `{rows, name, index, of}`: its rows in order, the `index`th of `of`.
 */
export function blocksOf(layers, graph) {
  const rows = graph.order.filter((row) => !graph.tables.has(row));
  const signs = rows.map((row) => {
    const {kind, activation, scheme, units} = layers[row];
    return JSON.stringify([kind, activation, scheme, units]);
  });
  const blocks = [];
  let at = 0;
  while (at < rows.length) {
    const found = repeatAt(signs, at);
    if (!found) {
      at++;
      continue;
    }
    const {size, count} = found;
    const begin = at + bestShift(layers, rows, at, size, count);
    const whole = Math.floor((at + size * count - begin) / size);
    for (let index = 0; index < whole; index++) {
      const held = rows.slice(begin + index * size, begin + (index + 1) * size);
      blocks.push({rows: held, name: nameOf(layers, held), index, of: whole});
    }
    at = begin + size * whole;
  }
  return blocks;
}

/** The block that repeats from here on and covers most; one row alone is no block. */
function repeatAt(signs, at) {
  let best = null;
  for (let size = 2; size <= MOST_ROWS && at + size * LEAST_BLOCKS <= signs.length; size++) {
    let alike = 0;
    while (at + alike + size < signs.length && signs[at + alike] === signs[at + alike + size]) alike++;
    const count = 1 + Math.floor(alike / size);
    if (count < LEAST_BLOCKS || (best && best.size * best.count >= size * count)) continue;
    if (signs.slice(at, at + size).every((sign) => sign === signs[at])) continue;
    best = {size, count};
  }
  return best;
}

/** Where blocks begin: names that begin alike belong together. */
function bestShift(layers, rows, at, size, count) {
  let best = 0;
  let longest = 0;
  for (let shift = 0; shift < size; shift++) {
    const begin = at + shift + size;
    if (begin + size > at + size * count) break;
    const length = prefixOf(layers, rows.slice(begin, begin + size)).length;
    if (length > longest) [best, longest] = [shift, length];
  }
  return best;
}

function prefixOf(layers, rows) {
  let prefix = layers[rows[0]].name;
  for (const row of rows) {
    while (!layers[row].name.startsWith(prefix)) prefix = prefix.slice(0, -1);
  }
  return prefix;
}

function nameOf(layers, rows) {
  const prefix = prefixOf(layers, rows).replace(/[/_.#-]+$/, '');
  return prefix.length > 1 ? prefix : `${layers[rows[0]].name}…`;
}

/**
 * What stands along the axis.
 *
 * @param {object} graph  Of `graphOf`.
 * @param {object[]} blocks  Of `blocksOf`.
 * @param {function} isFolded  Of a block, whether it stands as one.
 * @returns {object[]}  Items `{rows, name, table, block, wide}`: the rows that one place shows, and
 *     its width.
 */
export function itemsOf(layers, graph, blocks, isFolded) {
  const blockOf = new Map(blocks.flatMap((block) => block.rows.map((row) => [row, block])));
  const items = [];
  let last = null;
  for (const row of graph.order) {
    const block = blockOf.get(row) ?? null;
    const folded = block !== null && isFolded(block);
    if (folded && block === last) continue;
    last = folded ? block : null;
    const table = graph.tables.has(row);
    items.push({
      rows: folded ? block.rows : [row],
      name: folded ? block.name : layers[row].name,
      folded,
      block,
      table,
      wide: table ? 0.5 : 1,
    });
  }
  return items;
}

/** Least, median and greatest of an item's numbers; NaN where nothing was measured. */
export function spanOf(values, item) {
  if (item.rows.length === 1) {
    const value = values[item.rows[0]];
    return [value, value, value];
  }
  const held = item.rows.map((row) => values[row]).filter((value) => !Number.isNaN(value));
  if (!held.length) return [NaN, NaN, NaN];
  held.sort((a, b) => a - b);
  return [held[0], held[held.length >> 1], held[held.length - 1]];
}
