// Data that a saved page holds itself, as the server would answer.

const held = read();

function read() {
  const text = document.getElementById('initlab-data')?.textContent;
  return text ? JSON.parse(text) : null;
}

/** Whether this is a saved page, without a server. */
export function isSaved() {
  return held !== null;
}

function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/** What the server would answer: JSON for lists, arrays for series. */
export function answer(route, query) {
  if (route === 'runs') return {runs: held.runs, thresholds: held.thresholds};
  if (route === 'problems') return held.problems[query.run];
  if (route === 'histogram') {
    const found = held.histograms[query.run]?.[query.tag];
    if (!found) throw new Error('This page does not hold this histogram.');
    return {steps: found.steps, bins: numbers(found.bins), shape: found.shape};
  }
  const about = held.runs.find(({name}) => name === query.run)?.sections[query.section];
  const found = held.series[query.run]?.[query.section];
  if (!about || !found) throw new Error('This page does not hold this series.');
  found.array ??= numbers(found.values);
  return cut(found, about, route, query);
}

/** A statistic of all layers, or all statistics of a layer. */
function cut({steps, array, looks, dropped}, {layers, statistics}, route, {statistic, layer}) {
  const column = statistics.indexOf(statistic);
  const columns = route === 'series' ? layers.length : statistics.length;
  const last = new Float32Array(steps.length * columns);
  for (let look = 0; look < steps.length; look++) {
    for (let k = 0; k < columns; k++) {
      const [row, place] = route === 'series' ? [k, column] : [layer, k];
      last[look * columns + k] = array[(look * layers.length + row) * statistics.length + place];
    }
  }
  return {steps, columns, last, about: {looks, dropped}};
}
