// What the callback said, a card for each cause, with links to layer and step.

import {html, refill, shown} from './drawing.js';
import {rankOf} from './opening.js';
import {stepText} from './scales.js';

/**
 * Draws the list.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object[]} found  For each watched run `{run, colour, problems, total, message}`, without
 *     the last three while they are unknown.
 * @param {object} act  `go(run, problem)` shows it, `copy(text)`, and `open`, a Set of the cards
 *     that are unfolded.
 */
export function drawProblems(place, found, act) {
  const items = found.flatMap(({run, colour, problems = [], total = 0, message}) => {
    const list = groupsOf(problems).map((group) => cardOf(run, colour, group, act));
    if (total > problems.length) {
      list.push(html('li', {class: 'note'}, `${total - problems.length} more in ${shown(run)}.`));
    }
    if (message) list.push(html('li', {class: 'bad'}, `${shown(run)}: ${shown(message, 300)}`));
    return list;
  });
  refill(place, items.length ? html('ul', {class: 'problems'}, items) : emptyNote(found));
}

function emptyNote(found) {
  const known = found.filter(({problems}) => problems !== undefined);
  const text = !found.length
    ? 'The callback did not watch the runs shown.'
    : known.length < found.length
      ? '…'
      : 'The callback found no problem in the runs shown.';
  return html('p', {class: 'note'}, text);
}

/** Problems of one cause and one fix together, the earliest first. */
export function groupsOf(problems) {
  const groups = new Map();
  for (const problem of problems) {
    // Older logs know no cause: a rule is one there.
    const key = problem.cause ? `${problem.cause} ${problem.code || problem.fix}` : `${problem.rule} ${problem.text}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(problem);
  }
  // What came first has led to the rest.
  const earlier = (a, b) => a.step - b.step || rankOf(a) - rankOf(b);
  const inOrder = [...groups.values()].map((group) => [...group].sort(earlier));
  return inOrder.sort(([a], [b]) => earlier(a, b));
}

/** When a problem was seen. */
function whenOf({step, last_step: last, count}) {
  const again = count > 1 ? ` to ${stepText(last)}, in ${count} snapshots` : '';
  return `step ${stepText(step)}${again}`;
}

function cardOf(run, colour, group, act) {
  const [first] = group;
  const swatch = html('span', {class: 'swatch', 'aria-hidden': 'true'});
  swatch.style.background = colour;
  const key = `${run} ${first.step} ${first.rule} ${first.layers}`;
  const head = html(
    'button',
    {class: 'problem', 'data-key': key, onclick: () => act.go(run, first)},
    swatch,
    html('strong', {}, first.rule),
    ` ${shown(run)} · ${whenOf(first)}`,
    ...wordsOf(first),
  );
  return html('li', {class: 'card'}, head, fixOf(first, act), symptomsOf(run, group, key, act));
}

/** Symptom and reason; of older logs the whole text. */
function wordsOf({text, symptoms = [], reason = ''}) {
  if (!reason) return [html('span', {class: 'words'}, shown(text, 1000))];
  return [
    html('span', {class: 'words'}, symptoms[0] ? shown(symptoms[0], 400) : shown(text, 400)),
    html('span', {class: 'words reason'}, shown(reason, 500)),
  ];
}

function fixOf({fix = '', code = ''}, act) {
  if (!fix && !code) return null;
  const copy = html(
    'button',
    {class: 'copy', 'aria-label': 'Copy the fix', title: 'Copy the fix', onclick: () => act.copy(code || fix)},
    'Copy',
  );
  return html(
    'div',
    {class: 'fix'},
    html('span', {}, fix ? shown(fix, 400) : ''),
    code ? html('code', {}, shown(code, 300)) : null,
    copy,
  );
}

/** Further symptoms and further problems of one cause, folded. */
function symptomsOf(run, group, key, act) {
  const more = group[0].symptoms?.slice(1) ?? [];
  const count = more.length + group.length - 1;
  if (!count) return null;
  const others = group.slice(1).map((problem) =>
    html(
      'li',
      {},
      html(
        'button',
        {class: 'symptom', onclick: () => act.go(run, problem)},
        html('strong', {}, problem.rule),
        ` ${whenOf(problem)}: `,
        shown(problem.symptoms?.[0] ?? problem.text, 300),
      ),
    ),
  );
  const details = html(
    'details',
    {open: act.open.has(key)},
    html('summary', {}, `${count} more ${count > 1 ? 'symptoms' : 'symptom'}`),
    html('ul', {}, more.map((symptom) => html('li', {}, shown(symptom, 300))), others),
  );
  details.addEventListener('toggle', () => act.open[details.open ? 'add' : 'delete'](key));
  return details;
}
