// What the callback said, in its own words, with links to layer and step.

import {html, refill, shown} from './drawing.js';
import {short} from './scales.js';

/**
 * Draws the list.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object[]} found  Each `{run, colour, problems, total}`.
 * @param {function} go  Called with run and problem that are clicked.
 */
export function drawProblems(place, found, go) {
  const items = found.flatMap(({run, colour, problems, total}) => {
    const list = grouped(problems).map((group) => itemOf(run, colour, group, go));
    if (total > problems.length) {
      list.push(html('li', {class: 'note'}, `${total - problems.length} more in ${shown(run)}.`));
    }
    return list;
  });
  refill(
    place,
    items.length
      ? html('ul', {class: 'problems'}, items)
      : html('p', {class: 'note'}, 'The callback found no problem in the runs shown.'),
  );
}

/** Problems of one rule at the same layers together: looks that follow one another repeat them. */
function grouped(problems) {
  const groups = new Map();
  for (const problem of problems) {
    const key = [problem.rule, problem.what, ...problem.layers].join('\n');
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(problem);
  }
  return [...groups.values()];
}

function itemOf(run, colour, group, go) {
  const [first] = group;
  const last = group[group.length - 1];
  const swatch = html('span', {class: 'swatch', 'aria-hidden': 'true'});
  swatch.style.background = colour;
  const again = last.step > first.step ? ` to ${short(last.step)}, at ${group.length} looks` : '';
  return html(
    'li',
    {},
    html(
      'button',
      {class: 'problem', 'data-key': `${run} ${first.step} ${first.rule} ${first.layers}`, onclick: () => go(run, first)},
      swatch,
      html('strong', {}, first.rule),
      ` ${shown(run)} · step ${short(first.step)}${again}`,
      html('span', {class: 'words'}, shown(first.text, 1000)),
    ),
  );
}
