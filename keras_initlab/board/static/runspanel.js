// The runs: which are shown, what they are, and how they are.

import {html, refill, shown} from './drawing.js';
import {short, stepText} from './scales.js';

/**
 * Draws the table of runs.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object} view  `runs` (as the server tells them, with `colour`), `selected` (a Set of
 *     names), `focus`, `filter` (text of a regular expression), `health` (by name what the server
 *     says of problems, undefined while unknown).
 * @param {object} act  `toggle(name)`, `focus(name)`.
 */
export function drawRuns(place, view, act) {
  const wanted = filterOf(view.filter);
  const rows = view.runs.filter((run) => wanted(run.name)).map((run) => rowOf(run, view, act));
  const head = ['', 'run and scheme', 'health', 'outcome'].map((text) => html('th', {scope: 'col'}, text));
  const table = html(
    'table',
    {class: 'runs'},
    html('caption', {class: 'hidden'}, 'Runs'),
    html('thead', {}, html('tr', {}, head)),
    html('tbody', {}, rows),
  );
  refill(place, table, rows.length ? [] : html('p', {class: 'note'}, 'No run matches the filter.'));
}

/** Whether a name matches; a filter that is no regular expression is looked for as it stands. */
export function filterOf(text) {
  if (!text) return () => true;
  try {
    const pattern = new RegExp(text, 'i');
    return (name) => pattern.test(name);
  } catch {
    return (name) => name.includes(text);
  }
}

function rowOf(run, view, act) {
  const box = html('input', {
    type: 'checkbox',
    'data-key': `box ${run.name}`,
    checked: view.selected.has(run.name),
    'aria-label': `Show run ${run.name}`,
    onchange: () => act.toggle(run.name),
  });
  box.style.accentColor = run.colour;
  const swatch = html('span', {class: 'swatch', 'aria-hidden': 'true'});
  swatch.style.background = run.colour;
  const focus = run.name === view.focus;
  const name = html(
    'button',
    {
      class: focus ? 'name focus' : 'name',
      title: shown(run.name, 300),
      'data-key': `name ${run.name}`,
      onclick: () => act.focus(run.name),
    },
    shown(run.name, 48),
  );
  if (focus) name.setAttribute('aria-current', 'true');
  const health = view.health.get(run.name);
  return html(
    'tr',
    {},
    html('td', {}, box, swatch),
    html(
      'td',
      {title: hparamsText(run)},
      name,
      html('div', {class: 'scheme'}, run.scheme ? shown(run.scheme, 32) : '–'),
      run.message ? html('div', {class: 'bad'}, run.message) : null,
    ),
    html('td', {class: health?.problems.length ? 'bad' : ''}, healthText(health, run)),
    html('td', {class: 'outcome'}, outcomeOf(run.metric)),
  );
}

/** Name and value, each in one piece. */
function outcomeOf(metric) {
  if (!metric) return ['–'];
  return [html('span', {}, shown(metric.name, 60)), ' ', html('strong', {}, short(numberOf(metric.value)))];
}

function hparamsText(run) {
  return Object.entries(run.hparams).map(([name, value]) => `${name} = ${value}`).join('\n');
}

/** Whether the callback has looked at a run. */
export function isWatched(run) {
  return Object.keys(run.sections).some((name) => name !== 'histograms');
}

/** The rules that a run broke, each once, in the order in which it broke them. */
function healthText(health, run) {
  if (!isWatched(run)) return 'not watched';
  if (health === undefined) return '…';
  const {problems, message} = health;
  if (!problems.length) return message ? 'cannot be read' : 'no problem found';
  const rules = new Map();
  for (const problem of problems) {
    if (!rules.has(problem.rule)) rules.set(problem.rule, problem.step);
  }
  return [...rules].map(([rule, step]) => `${rule} at step ${stepText(step)}`).join(', ');
}

/** A number; JSON has words for what is not finite. */
function numberOf(value) {
  if (typeof value === 'number') return value;
  return /^-?inf/i.test(value) ? (value[0] === '-' ? -Infinity : Infinity) : NaN;
}
