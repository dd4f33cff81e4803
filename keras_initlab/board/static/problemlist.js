// What the callback said, in its own words, with links to layer and step.

import {html, refill, shown} from './drawing.js';
import {stepText} from './scales.js';

/**
 * Draws the list.
 *
 * @param {Element} place  Emptied and filled.
 * @param {object[]} found  For each watched run `{run, colour, problems, total, message}`, without
 *     the last three while they are unknown.
 * @param {function} go  Called with run and problem that are clicked.
 */
export function drawProblems(place, found, go) {
  const items = found.flatMap(({run, colour, problems = [], total = 0, message}) => {
    const list = problems.map((problem) => itemOf(run, colour, problem, go));
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
    ? 'The callback has not watched the runs shown.'
    : known.length < found.length
      ? '…'
      : 'The callback found no problem in the runs shown.';
  return html('p', {class: 'note'}, text);
}

/** One entry stands for all looks in which a rule was broken at the same layers. */
function itemOf(run, colour, problem, go) {
  const swatch = html('span', {class: 'swatch', 'aria-hidden': 'true'});
  swatch.style.background = colour;
  const {step, last_step: last, count} = problem;
  const again = count > 1 ? ` to ${stepText(last)}, at ${count} looks` : '';
  return html(
    'li',
    {},
    html(
      'button',
      {
        class: 'problem',
        'data-key': `${run} ${step} ${problem.rule} ${problem.layers}`,
        onclick: () => go(run, problem),
      },
      swatch,
      html('strong', {}, problem.rule),
      ` ${shown(run)} · step ${stepText(step)}${again}`,
      html('span', {class: 'words'}, shown(problem.text, 1000)),
    ),
  );
}
