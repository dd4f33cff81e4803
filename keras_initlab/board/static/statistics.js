// The statistics that can be chosen.

import {html} from './drawing.js';

const SECTION_NAMES = {
  activations: 'Activations',
  reference: 'Activations on the reference batch',
  weights: 'Weights, gradients and updates',
  histograms: 'Weight histograms of Keras (estimated from bins)',
};

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
  const sections = new Map();
  for (const run of runs) {
    for (const [name, {statistics}] of Object.entries(run.sections)) {
      if (name in SECTION_NAMES) sections.set(name, statistics);
    }
  }
  const values = [];
  box.replaceChildren(
    ...[...sections].map(([section, statistics]) =>
      html(
        'optgroup',
        {label: SECTION_NAMES[section]},
        statistics.map((statistic) => {
          const value = `${section}/${statistic}`;
          values.push(value);
          return html('option', {value}, statistic.replaceAll('_', ' '));
        }),
      ),
    ),
  );
  const choice = values.includes(wanted)
    ? wanted
    : FIRST_CHOICES.find((each) => values.includes(each)) ?? values[0] ?? '';
  box.value = choice;
  return choice;
}
