// How the rows of a run stand along the axis: branch by branch, as the model's graph has them.

/** Whether a row is a table of vectors: a dot beside the paths, for no signal comes through it. */
export function isTable(layer) {
  return /embedding/i.test(layer.kind);
}

/**
 * The graph of a section's rows.
 *
 * @param {object[]} layers  The rows, in call order.
 * @param {number[][]|null} edges  `[from, to]`, the earlier row first; null in logs that hold none:
 *     there all rows but the tables are one path, in call order.
 * @returns {object}  `order`, the rows as they stand along the axis, tables first; `tables`, a Set
 *     of rows; `before` and `behind`, for each row the rows it comes from and goes to; `lanes`, for
 *     each row its lane in the map, 0 for the longest path; `lanesCount`.
 */
export function graphOf(layers, edges) {
  const rows = layers.map((_, row) => row);
  const before = rows.map(() => []);
  const behind = rows.map(() => []);
  const link = (from, to) => {
    before[to].push(from);
    behind[from].push(to);
  };
  if (edges) edges.forEach(([from, to]) => link(from, to));
  else chainOf(layers).forEach(([from, to]) => link(from, to));
  const tables = new Set(rows.filter((row) => isTable(layers[row]) && !before[row].length));
  const paths = rows.filter((row) => !tables.has(row));
  const steady = (row) => before[row].filter((from) => !tables.has(from));
  const segments = segmentsOf(paths, steady, behind);
  const order = ordered(segments, steady, behind);
  const place = new Map(order.map((row, at) => [row, at]));
  const entered = (row) => Math.min(...behind[row].map((to) => place.get(to) ?? Infinity), Infinity);
  const beside = [...tables].sort((a, b) => entered(a) - entered(b) || a - b);
  const {lanes, count} = lanesOf(segments, order, place, steady, behind);
  return {order: [...beside, ...order], tables, before, behind, lanes, lanesCount: count, known: Boolean(edges)};
}

function chainOf(layers) {
  const rows = layers.map((_, row) => row).filter((row) => !isTable(layers[row]));
  return rows.slice(1).map((row, at) => [rows[at], row]);
}

/** Runs of rows with one way in and one way out. */
function segmentsOf(paths, steady, behind) {
  const segments = [];
  const of = new Map();
  for (const row of paths) {
    const from = steady(row);
    const goesOn = from.length === 1 && behind[from[0]].length === 1 && of.has(from[0]);
    if (goesOn) {
      of.get(from[0]).push(row);
      of.set(row, of.get(from[0]));
    } else {
      const segment = [row];
      segments.push(segment);
      of.set(row, segment);
    }
  }
  return segments;
}

/** Rows in an order in which signal flows, each branch in one piece. */
function ordered(segments, steady, behind) {
  const firsts = new Map(segments.map((segment) => [segment[0], segment]));
  const waits = new Map(segments.map((segment) => [segment, steady(segment[0]).length]));
  const ready = segments.filter((segment) => !waits.get(segment)).reverse();
  const order = [];
  while (ready.length) {
    const segment = ready.pop();
    order.push(...segment);
    const next = [];
    for (const to of behind[segment[segment.length - 1]]) {
      const follower = firsts.get(to);
      if (!follower) continue;
      waits.set(follower, waits.get(follower) - 1);
      if (!waits.get(follower)) next.push(follower);
    }
    // The first called branch comes first off the stack.
    next.sort((a, b) => b[0] - a[0]);
    ready.push(...next);
  }
  return order;
}

/** Lanes of the map: the longest path straight ahead, other branches where there is room. */
function lanesOf(segments, order, place, steady, behind) {
  const length = new Map();
  for (const row of order) {
    const longest = steady(row).map((from) => length.get(from) ?? 0);
    length.set(row, 1 + Math.max(0, ...longest));
  }
  const main = new Set();
  let row = order.reduce((best, at) => (length.get(at) > (length.get(best) ?? 0) ? at : best), order[0]);
  while (row !== undefined) {
    main.add(row);
    row = steady(row).reduce(
      (best, from) => (best === undefined || length.get(from) > length.get(best) ? from : best),
      undefined,
    );
  }
  const lanes = new Map();
  const ends = [];
  let count = 1;
  for (const segment of segments) {
    if (main.has(segment[0])) {
      segment.forEach((at) => lanes.set(at, 0));
      continue;
    }
    const begin = place.get(segment[0]);
    const last = segment[segment.length - 1];
    const joins = Math.max(place.get(last), ...behind[last].map((to) => place.get(to) ?? 0));
    let lane = 0;
    while (lane < MOST_LANES - 2 && ends[lane] !== undefined && ends[lane] >= begin) lane++;
    ends[lane] = Math.max(ends[lane] ?? -1, joins - 1);
    segment.forEach((at) => lanes.set(at, lane + 1));
    count = Math.max(count, lane + 2);
  }
  return {lanes, count};
}

const MOST_LANES = 6;

/** Edges along which the eye follows a branch, and shortcuts around a branch. */
export function isShortcut(graph, from, to) {
  const others = graph.before[to].filter((row) => !graph.tables.has(row));
  return graph.behind[from].length > 1 && others.length > 1;
}

/**
 * The edges between some of the layers, by name, where the way between them has none of these.
 *
 * @param {object} whole  `layers` and `edges` of a section that knows the graph.
 * @param {object[]} layers  The rows that are wanted, some of these layers in any order.
 */
export function edgesAmong(whole, layers) {
  const rowOf = new Map(layers.map(({name}, row) => [name, row]));
  const wanted = whole.layers.map(({name}) => rowOf.get(name) ?? rowOf.get(name.replace(/#\d+$/, '')));
  const before = whole.layers.map(() => []);
  whole.edges.forEach(([from, to]) => before[to].push(from));
  // The wanted rows at the end of each row; the earlier rows are known by then.
  const ends = [];
  const pairs = new Map();
  whole.layers.forEach((_, row) => {
    const come = new Set(before[row].flatMap((from) => [...ends[from]]));
    const to = wanted[row];
    if (to === undefined) {
      ends.push(come);
      return;
    }
    for (const from of come) {
      // Rows of weights stand in an order of their own; a shared layer may lead back to itself.
      if (from < to) pairs.set(`${from} ${to}`, [from, to]);
    }
    ends.push(new Set([to]));
  });
  return [...pairs.values()];
}
