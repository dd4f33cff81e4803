// The picture as SVG or PNG, the numbers as CSV.

import {html} from './drawing.js';

/** Saves a picture as SVG. */
export function saveSvg(picture, name) {
  save(new Blob([textOf(picture)], {type: 'image/svg+xml'}), `${name}.svg`);
}

/** Saves a picture as PNG, at twice its size. */
export async function savePng(picture, name) {
  const image = new Image();
  const drawn = new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = () => reject(new Error('The browser could not draw the picture.'));
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(textOf(picture))}`;
  await drawn;
  const canvas = html('canvas', {width: 2 * image.width, height: 2 * image.height});
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  save(await new Promise((resolve) => canvas.toBlob(resolve, 'image/png')), `${name}.png`);
}

/** Saves rows of values as CSV, the first row being the names of the columns. */
export function saveCsv(rows, name) {
  save(new Blob([csvOf(rows)], {type: 'text/csv'}), `${name}.csv`);
}

/** CSV as RFC 4180 has it; a leading sign that a spreadsheet would run is kept from it. */
export function csvOf(rows) {
  return rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}

function cell(value) {
  if (typeof value === 'number') return String(value);
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function textOf(picture) {
  return new XMLSerializer().serializeToString(picture);
}

function save(blob, name) {
  const link = html('a', {href: URL.createObjectURL(blob), download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
