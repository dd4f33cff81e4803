// TensorBoard around the tab: its messages, its address and its theme.

import {isSaved} from './embedded.js';

const PREFIX = 'p.initlab.';

/** Listens to TensorBoard; `send` asks it, `on` hears it. */
export class Host {
  constructor() {
    this.listeners = new Map();
    this.waiting = new Map();
    this.next = 0;
    if (isSaved()) return;
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.port.onmessage = (event) => this.receive(JSON.parse(event.data));
    window.parent.postMessage('experimental.bootstrap', '*', [channel.port2]);
  }

  on(type, listener) {
    this.listeners.set(type, listener);
  }

  /** The answer to a question, or `fallback` where nobody answers: the page may stand alone. */
  send(type, fallback) {
    if (isSaved()) return Promise.resolve(fallback);
    const id = this.next++;
    this.port.postMessage(JSON.stringify({type, id, payload: null, error: null, isReply: false}));
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      setTimeout(() => this.answer(id, fallback), 1000);
    });
  }

  answer(id, payload) {
    this.waiting.get(id)?.(payload);
    this.waiting.delete(id);
  }

  receive(message) {
    if (message.isReply) {
      this.answer(message.id, message.payload);
      return;
    }
    this.listeners.get(message.type)?.(message.payload);
    const reply = {type: message.type, id: message.id, payload: null, error: null, isReply: true};
    this.port.postMessage(JSON.stringify(reply));
  }
}

/**
 * What the address of the page says of the tab: words by name. Read from the address itself, for
 * TensorBoard's `getUrlHashDict` is empty until the address changes.
 */
export function readAddress() {
  const words = {};
  for (const part of (parentOf()?.location.hash ?? '').slice(1).split('&')) {
    const [name, value = ''] = part.split('=');
    if (!name.startsWith(PREFIX)) continue;
    try {
      words[name.slice(PREFIX.length)] = decodeURIComponent(value);
    } catch {
      // Not a word that a browser has written.
    }
  }
  return words;
}

/** Keeps the view in the address, so that a copied link restores it. */
export function writeAddress(words) {
  if (isSaved()) {
    const parts = Object.entries(words).filter(([, value]) => value);
    const hash = parts.map(([name, value]) => `${PREFIX}${name}=${encodeURIComponent(value)}`).join('&');
    try {
      window.history.replaceState(null, '', `#${hash}`);
    } catch {
      // A page within another, without an address of its own.
    }
    return;
  }
  const store = parentOf()?.tensorboard?.tf_storage;
  for (const [name, value] of Object.entries(words)) {
    store?.setString(PREFIX + name, value, {defaultValue: '', useLocationReplace: true});
  }
}

/** The address that restores the view. */
export function address() {
  return parentOf()?.location.href ?? window.location.href;
}

/** Calls `listener(words)` when the address comes to say something else of the tab. */
export function followAddress(listener) {
  parentOf()?.addEventListener('hashchange', () => listener(readAddress()));
}

/** Calls `listener(isDark)` now and whenever TensorBoard changes its theme. */
export function followTheme(listener) {
  if (isSaved()) {
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', () => listener(dark.matches));
    listener(dark.matches);
    return;
  }
  const body = parentOf()?.document.body;
  const tell = () => listener(body?.classList.contains('dark-mode') ?? false);
  if (body) {
    new MutationObserver(tell).observe(body, {attributes: true, attributeFilter: ['class']});
  }
  tell();
}

function parentOf() {
  if (isSaved()) return window;
  try {
    return window.parent.location.href ? window.parent : null;
  } catch {
    return null; // Embedded by another site.
  }
}
