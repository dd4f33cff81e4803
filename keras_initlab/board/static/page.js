// The elements of the page, and what each of them does.

import {html} from './drawing.js';
import {AGAINST} from './heatmap.js';
import {saveCsv, savePng, saveSvg} from './exporting.js';

/** Builds the page of a tab, which has its parts as properties from then on. */
export function buildPage(tab) {
  const part = (name, title, ...more) => {
    tab[name] = html('div', {class: `body ${name}`});
    return html('section', {'aria-label': title}, html('h2', {}, title, ...more), tab[name]);
  };
  tab.message = html('p', {class: 'message', role: 'status', 'aria-live': 'polite'});
  tab.filterBox = html('input', {
    type: 'search',
    placeholder: 'Filter runs (regex)',
    'aria-label': 'Filter runs by a regular expression',
    oninput: () => tab.change({filter: tab.filterBox.value}, true),
  });
  tab.statisticBox = html('select', {
    'aria-label': 'Statistic',
    onchange: () => tab.turnTo({choice: tab.statisticBox.value}),
  });
  tab.slider = html('input', {
    type: 'range',
    min: 0,
    max: 0,
    value: 0,
    class: 'slider',
    'aria-label': 'Training step',
    oninput: () => tab.toStep(tab.steps()[Number(tab.slider.value)]),
  });
  tab.stepText = html('output', {class: 'step'});
  tab.playButton = html('button', {class: 'play', onclick: () => tab.play()}, '▶ Play');
  const switches = [
    switchOf(tab, 'pinned', 'first snapshot'),
    switchOf(tab, 'theory', 'theory'),
    switchOf(tab, 'band', 'healthy band'),
    switchOf(tab, 'fold', 'fold blocks'),
  ];
  tab.scaleBox = choiceOf(tab, 'scale', 'Scale', {'': 'default scale', log: 'logarithmic', linear: 'linear'});
  tab.againstBox = choiceOf(tab, 'against', 'Compare with', AGAINST);
  tab.smoothingBox = html('input', {
    type: 'range',
    min: 0,
    max: 0.99,
    step: 0.01,
    value: tab.smoothing,
    'aria-label': 'Smoothing of the layer curves',
    oninput: () => tab.change({smoothing: Number(tab.smoothingBox.value)}),
  });
  const button = (text, action) => html('button', {onclick: action}, text);
  tab.toldPart = html('p', {class: 'note told', role: 'status', 'aria-live': 'polite'});
  tab.layerName = html('span', {class: 'layer-name'});
  tab.focusName = html('span', {class: 'layer-name'});
  const against = html('label', {class: 'beside'}, 'ratio to ', tab.againstBox);
  const smoothing = html('label', {class: 'beside'}, 'smoothing ', tab.smoothingBox);
  document.body.append(
    html(
      'main',
      {},
      html('h1', {class: 'hidden'}, 'Signal'),
      tab.message,
      html(
        'div',
        {class: 'columns'},
        html('aside', {}, tab.filterBox, part('runsPart', 'Runs'), part('problemsPart', 'Problems')),
        html(
          'div',
          {class: 'charts'},
          html(
            'div',
            {class: 'controls'},
            tab.statisticBox,
            tab.scaleBox,
            switches,
            html(
              'span',
              {class: 'exports'},
              button('SVG', () => saveSvg(tab.picture(), tab.fileName())),
              button('PNG', () => tab.guarded(() => savePng(tab.picture(), tab.fileName()))),
              button('CSV', () => saveCsv(tab.rows(), tab.fileName())),
              button('Copy link', () => tab.copyLink()),
            ),
          ),
          part('profilePart', 'Depth profile'),
          tab.toldPart,
          html('div', {class: 'controls'}, tab.playButton, tab.slider, tab.stepText),
          part('heatPart', 'Layers by steps ', tab.focusName, against),
          part('layerPart', 'Layer ', tab.layerName, smoothing),
          part('histogramPart', 'Histogram over time'),
        ),
      ),
    ),
  );
  for (const place of [tab.profilePart, tab.heatPart]) {
    place.addEventListener('keydown', (event) => tab.pressed(event));
  }
  tab.profilePart.tabIndex = 0;
  tab.profilePart.setAttribute('role', 'application');
  tab.profilePart.setAttribute('aria-label', 'Depth profile; arrow keys choose step and layer, Enter folds a block, plus zooms in, Escape shows all layers');
}

function choiceOf(tab, name, title, options) {
  const box = html(
    'select',
    {'aria-label': title, onchange: () => tab.change({[name]: box.value})},
    Object.entries(options).map(([value, text]) => html('option', {value}, text)),
  );
  return box;
}

function switchOf(tab, name, text) {
  const box = html('input', {
    type: 'checkbox',
    checked: tab[name],
    onchange: () => tab.change({[name]: box.checked}),
  });
  tab[`${name}Box`] = box;
  return html('label', {class: 'switch'}, box, text);
}
