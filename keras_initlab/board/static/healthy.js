// Where the callback's rules find no fault with a layer.

/**
 * Least and greatest number of each row that breaks no rule; NaN where none applies.
 *
 * @param {object} line  A run's `values`, `first` and `predicted` numbers by row, and `isFirst`.
 * @param {object} view  `layers`, `graph` of them, `section`, `statistic`, `bounds` of the rules.
 * @returns {number[][]|null}
 */
export function healthyBand(line, {layers, graph, section, statistic, bounds}) {
  const rows = Array.from(line.values);
  if (/dead_fraction$/.test(statistic)) return rows.map(() => [0, bounds.dead]);
  if (/saturated_fraction$/.test(statistic)) return rows.map(() => [0, bounds.saturated]);
  if (statistic === 'gradient_variance') {
    const largest = Math.max(...rows.filter(Number.isFinite));
    return rows.map(() => [largest * bounds.vanishing_gradient, largest]);
  }
  if (section !== 'activations' || statistic !== 'variance') return null;
  const ways = waysOf(line, layers, graph);
  return rows.map((value, row) => {
    const {kind, is_output: isOutput} = layers[row];
    const ends = isOutput || !graph.behind[row].length;
    if (ends || isNorm(kind)) return [NaN, NaN];
    const first = line.first[row] > 0 ? line.first[row] : 0;
    // Theory speaks of untrained weights.
    const theory = line.isFirst && line.predicted?.[row] > 0 ? line.predicted[row] : NaN;
    const largest = graph.tables.has(row) ? first : Math.max(ways[row].largest, first);
    const low = Math.max(largest * bounds.vanishing, theory / bounds.theory || 0);
    const growth = Math.min(ways[row].start, first || Infinity) * bounds.exploding;
    return [low, Math.min(Math.max(bounds.large, growth), theory * bounds.theory || Infinity)];
  });
}

/** For each row the largest number on its ways since its scale was last set, and the first one. */
function waysOf(line, layers, graph) {
  const ways = layers.map(() => ({largest: 0, start: Infinity}));
  for (const row of graph.order) {
    const value = line.values[row];
    const way = ways[row];
    for (const from of graph.before[row]) {
      if (graph.tables.has(from) || isNorm(layers[from].kind)) continue;
      way.largest = Math.max(way.largest, ways[from].largest);
      way.start = Math.min(way.start, ways[from].start);
    }
    if (Number.isFinite(value)) way.largest = Math.max(way.largest, value);
    if (value > 0 && way.start === Infinity) way.start = value;
  }
  return ways;
}

function isNorm(kind) {
  return /Norm(alization)?$/.test(kind);
}
