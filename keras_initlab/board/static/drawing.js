// Elements of the page. Names come from logs, which may come from anyone: they are set as text.

const SVG = 'http://www.w3.org/2000/svg';

/** An element of HTML, with attributes, listeners (`onclick`) and children (nodes or text). */
export function html(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Characters that a page or a terminal would obey; _words.py has the same.
const OBEYED =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e007f}]/gu;

function written(letter) {
  const code = letter.codePointAt(0).toString(16);
  return code.length < 3 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
}

/** Text with what is too long cut from its middle, its direction of writing held apart. */
export function shown(name, most = 40) {
  const text = String(name).replace(OBEYED, written);
  const letters = [...text];
  const cut =
    letters.length <= most
      ? text
      : letters.slice(0, most - 13).join('') + '…' + letters.slice(-12).join('');
  return `\u2068${cut}\u2069`;
}

/** The theme's colours, as the style sheet names them. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of('text'),
    faint: of('faint'),
    grid: of('grid'),
    band: of('band'),
    surface: of('surface'),
    accent: of('accent'),
    bad: of('bad'),
  };
}

/** Gives a place new children; what had the keyboard's focus has it again, by its `data-key`. */
export function refill(place, ...children) {
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...children.flat());
  if (key === undefined) return;
  const same = [...place.querySelectorAll('[data-key]')].find((each) => each.dataset.key === key);
  same?.focus({preventScroll: true});
}

/** A path through points, with a gap where one has no place. */
export function path(points) {
  let drawing = false;
  let text = '';
  for (const [x, y] of points) {
    if (Number.isNaN(x) || Number.isNaN(y)) {
      drawing = false;
      continue;
    }
    text += `${drawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    drawing = true;
  }
  return text;
}
