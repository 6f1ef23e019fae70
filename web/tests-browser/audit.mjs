// What is wrong with a page for people who hear it, who see little contrast, or who tap: a list of sentences.
export const audit = (page, taps = false) => page.evaluate((isTapped) => {
  const wrong = [];
  const say = (what, e) => wrong.push(`${what}: ${e.outerHTML.slice(0, 160)}`);
  const isHidden = (e) => e.closest('[aria-hidden="true"], [inert]') !== null;
  const isSeen = (e) => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(e).visibility !== 'hidden' && !e.closest('.hidden-text');
  };
  const textOf = (ids) => ids.split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
  const nameOf = (e) => (e.getAttribute('aria-label') || textOf(e.getAttribute('aria-labelledby') ?? '').trim() || [...(e.labels ?? [])].map((l) => l.textContent).join(' ') || e.getAttribute('alt') || e.parentElement?.closest('[role=img]')?.getAttribute('aria-label') || (/^(INPUT|SELECT|TEXTAREA)$/.test(e.tagName) ? '' : e.textContent) || '').trim();

  for (const e of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"], [role=dialog], dialog[open], [role=grid], [role=tab], [role=tabpanel], [role=progressbar], progress, meter, [role=img], iframe'))
    if (isSeen(e) && !isHidden(e) && !nameOf(e)) say('has no name', e);
  for (const e of document.querySelectorAll('img')) if (!isHidden(e) && !e.hasAttribute('alt')) say('has no text instead of the picture', e);
  for (const e of document.querySelectorAll('svg')) if (!isHidden(e) && !e.getAttribute('aria-label') && e.getAttribute('role') !== 'img') say('is a drawing that is neither hidden nor named', e);
  for (const e of document.querySelectorAll('canvas')) if (!isHidden(e) && !e.closest('[role=img][aria-label]') && !e.getAttribute('aria-label')) say('is a picture without a name', e);
  for (const what of ['aria-controls', 'aria-labelledby', 'aria-describedby', 'aria-activedescendant'])
    for (const e of document.querySelectorAll(`[${what}]`)) for (const id of e.getAttribute(what).split(' ')) if (!document.getElementById(id)) say(`${what} names nothing`, e);
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) wrong.push(`two elements are called "${id}"`);
  for (const e of document.querySelectorAll('[aria-hidden="true"]')) if (e.querySelector('a[href], button, input, select, textarea, [tabindex="0"]')) say('is hidden from screen readers and has a control', e);
  if (document.querySelectorAll('main').length !== 1) wrong.push('there must be one main part');
  if (!document.querySelector('h1, h2')) wrong.push('there is no heading');
  if (!document.documentElement.lang) wrong.push('the page does not say its language');

  // Text against what is behind it: 4.5 to 1, and 3 to 1 where it is large.
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => (i === 3 ? v / 255 : v));
  };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
  const behind = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const c = rgba(getComputedStyle(at).backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((below, c) => over(c, below), [255, 255, 255]);
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const told = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !isSeen(e) || e.closest('script, style, noscript, option, :disabled, [aria-disabled="true"], [aria-busy="true"]')) continue;
    const style = getComputedStyle(e);
    const back = behind(e);
    const [a, b] = [light(over(rgba(style.color), back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 600) ? 3 : 4.5;
    const key = `${style.color} ${back}`;
    if (ratio < least && !told.has(key)) say(`has a contrast of ${ratio.toFixed(2)} (${style.color} on ${back.map(Math.round)})`, e);
    told.add(key);
  }

  if (isTapped) {
    const kLeast = 24;
    const boxOf = (e) => (e.labels?.[0]?.contains(e) ? e.labels[0] : e).getBoundingClientRect();
    for (const e of document.querySelectorAll('button, select, input:not([type=hidden]), textarea, summary, [role=tab], a.button, a.icon-button')) {
      const box = boxOf(e);
      if (isSeen(e) && Math.min(box.width, box.height) < kLeast - 0.5) say(`is ${Math.round(box.width)} × ${Math.round(box.height)} pixels, too small for a finger`, e);
    }
    const wide = Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth);
    if (wide > window.innerWidth) wrong.push(`the page is ${wide} pixels wide in a window of ${window.innerWidth}`);
  }
  return wrong;
}, taps);
