// The statistics that can be chosen.

import {html} from './drawing.js';

// Groups in the order of the list; a statistic is in the first one that it fits.
const GROUPS = [
  ['Activations', 'activations', /./],
  ['Activations on the reference batch', 'reference', /./],
  ['Gradients', 'weights', /^gradient_/],
  ['Tables', 'weights', /^untouched_/],
  ['Weights and updates', 'weights', /./],
  ['Weight histograms of Keras (estimated from bins)', 'histograms', /./],
];

const FIRST_CHOICES = [
  'activations/variance',
  'reference/reference_variance',
  'weights/gradient_variance',
  'histograms/histogram_variance',
];

/** The statistic to begin with in one of these sections. */
export function firstChoice(sections) {
  return FIRST_CHOICES.find((choice) => choice.split('/')[0] in sections);
}

/**
 * Fills a select with the statistics of the runs, section by section.
 *
 * @returns {string}  The choice: the wanted one, or the one to begin with.
 */
export function fillStatistics(box, runs, wanted) {
  const groups = new Map(GROUPS.map(([title]) => [title, new Set()]));
  for (const run of runs) {
    for (const [section, {statistics}] of Object.entries(run.sections)) {
      for (const statistic of statistics) {
        const group = GROUPS.find(([, of, name]) => of === section && name.test(statistic));
        if (group) groups.get(group[0]).add(`${section}/${statistic}`);
      }
    }
  }
  const values = [...groups.values()].flatMap((held) => [...held]);
  const optionOf = (value) => html('option', {value}, value.split('/')[1].replaceAll('_', ' '));
  box.replaceChildren(
    ...[...groups]
      .filter(([, held]) => held.size)
      .map(([label, held]) => html('optgroup', {label}, [...held].map(optionOf))),
  );
  const choice = values.includes(wanted)
    ? wanted
    : FIRST_CHOICES.find((usual) => values.includes(usual)) ?? values[0] ?? '';
  box.value = choice;
  return choice;
}
