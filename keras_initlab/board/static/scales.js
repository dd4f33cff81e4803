// From numbers to places, colours and words.

// TensorBoard's own colours of runs, in its light and its dark theme.
const RUN_COLOURS = ['#425066', '#12b5cb', '#e52592', '#f9ab00', '#9334e6', '#7cb342', '#e8710a'];
const DARK_COLOURS = ['#8e98a3', ...RUN_COLOURS.slice(1)];

/** Colour of a run, by its place among all of TensorBoard's runs. */
export function runColour(place, dark = false) {
  return (dark ? DARK_COLOURS : RUN_COLOURS)[place % RUN_COLOURS.length];
}

/** Whether a statistic is read in powers of ten. */
export function isLog(statistic) {
  return /(variance|rms|norm|ratio|count|gradient_max)$/.test(statistic);
}

/** From numbers to pixels, `log` or linear; what has no logarithm lies at the lower end. */
export class Scale {
  constructor(log, values, from, to) {
    this.log = log;
    this.from = from;
    this.to = to;
    [this.low, this.high] = log ? decades(values) : span(values);
  }

  place(value) {
    const at = this.log ? Math.log10(value) : value;
    if (Number.isNaN(at)) return NaN;
    const share = Math.min(1, Math.max(0, (at - this.low) / (this.high - this.low)));
    return this.from + share * (this.to - this.from);
  }

  ticks(most = 8) {
    const width = this.high - this.low;
    const step = this.log ? Math.max(1, Math.ceil(width / most)) : roundStep(width / most);
    const ticks = [];
    for (let tick = Math.ceil(this.low / step) * step; tick <= this.high + step / 1e6; tick += step) {
      const value = this.log ? 10 ** Math.round(tick) : Number(tick.toPrecision(12));
      ticks.push({value, text: this.log ? power(Math.round(tick)) : short(value)});
    }
    return ticks;
  }
}

function decades(values) {
  const held = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  if (!held.length) return [-1, 1];
  const low = Math.floor(least(held) - 0.05);
  const high = Math.ceil(greatest(held) + 0.05);
  return low === high ? [low - 1, high + 1] : [low, high];
}

function span(values) {
  const held = values.filter(Number.isFinite);
  if (!held.length) return [0, 1];
  const low = least(held);
  const high = greatest(held);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

// Not Math.min(...values): a call takes no hundred thousand arguments.
function least(values) {
  return values.reduce((a, b) => Math.min(a, b));
}

function greatest(values) {
  return values.reduce((a, b) => Math.max(a, b));
}

function roundStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((digit) => digit * power).find((round) => round >= step * 0.999);
}

const SUPERSCRIPTS = {'-': '⁻', ...Object.fromEntries([...'⁰¹²³⁴⁵⁶⁷⁸⁹'].map((c, i) => [i, c]))};

function power(exponent) {
  if (exponent >= -2 && exponent <= 3) return String(Number((10 ** exponent).toPrecision(1)));
  return '10' + [...String(exponent)].map((digit) => SUPERSCRIPTS[digit]).join('');
}

/** A power of ten in few characters. */
export function powerText(exponent) {
  return power(exponent);
}

/** A step, to its last digit. */
export function stepText(step) {
  return Number.isFinite(step) ? Math.round(step).toLocaleString('en') : '–';
}

/** A number in few characters. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toLocaleString('en');
  const size = Math.abs(value);
  const tiny = size < 1e-3 || size >= 1e5;
  const text = tiny ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  return text.replaceAll('-', '−');
}

// Blue for less, white or black for the same, orange for more: told apart without red and green.
const LESS = [[247, 247, 247], [146, 197, 222], [33, 102, 172], [5, 48, 97]];
const MORE = [[247, 247, 247], [253, 184, 99], [224, 130, 20], [127, 59, 8]];
/** What is not known, or nothing over nothing. */
export const UNKNOWN = [128, 128, 128];

const SHARE = [[255, 255, 229], [254, 196, 79], [204, 76, 2], [102, 37, 6]];

/** Colour of a number from -1 (less than at first) over 0 to 1 (more): `[red, green, blue]`. */
export function diverging(value) {
  return between(value < 0 ? LESS : MORE, Math.abs(value));
}

/** Colour of a share from 0 to 1. */
export function sequential(value) {
  return between(SHARE, value);
}

function between(stops, value) {
  if (Number.isNaN(value)) return UNKNOWN;
  const at = Math.min(1, Math.max(0, value)) * (stops.length - 1);
  const first = Math.min(stops.length - 2, Math.floor(at));
  return stops[first].map((from, k) => Math.round(from + (stops[first + 1][k] - from) * (at - first)));
}
