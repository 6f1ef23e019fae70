// Events of the mock over a WebSocket (RFC 6455, as far as a page needs it), and what of the world they tell.
import { createHash } from 'node:crypto';

const kMagic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const kLookMs = 500;

function frame(text) {
  const data = Buffer.from(text);
  const head = data.length < 126 ? Buffer.from([0x81, data.length]) : Buffer.from([0x81, 126, data.length >> 8, data.length & 255]);
  return Buffer.concat([head, data]);
}

// Begins to answer upgrades of `server`. `options.noEvents`: as a hub that has none; `options.noUpgrade`: as behind a
// proxy that does not pass them.
export function events(server, world, options, runsOf) {
  const sockets = new Set();
  const recent = [];
  const told = []; // as tierd numbers them, without runs
  const waiting = new Set();
  const emit = (e) => {
    if (!['hello', 'lost', 'runs'].includes(e.kind)) told.push({ seq: told.length + 1, at: new Date().toISOString(), ...e });
    for (const w of waiting) w();
    const full = { at: Math.floor(Date.now() / 1000), ...e };
    if (!['hello', 'lost'].includes(full.kind)) recent.push(full);
    if (recent.length > 200) recent.shift();
    for (const s of sockets) s.write(frame(JSON.stringify(full)));
  };
  server.on('upgrade', (req, socket) => {
    if (options.noUpgrade || options.noEvents || !/\/api\/events$/.test(req.url) || req.headers.origin !== `http://${req.headers.host}`) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      return;
    }
    const accept = createHash('sha1').update(req.headers['sec-websocket-key'] + kMagic).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    sockets.add(socket);
    socket.on('data', (d) => (d[0] & 15) === 8 && socket.end());
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.write(frame(JSON.stringify({ kind: 'hello' })));
  });

  // What differs from the last look.
  let seen = new Map();
  const look = () => {
    if (!sockets.size && !waiting.size) return;
    world.advance();
    const now = new Map();
    for (const l of world.leaves()) now.set(`residency ${l.path}`, `${l.resident} ${l.dirty}`);
    for (const p of world.prefetches) now.set(`prefetch ${p.id}`, `${p.state} ${p.done_bytes}`);
    for (const r of runsOf()) now.set(`runs ${r.run}`, `${r.state} ${r.tasks_done}`);
    if (seen.size)
      for (const [key, value] of now) {
        if (seen.get(key) === value) continue;
        const cut = key.indexOf(' ');
        const [kind, name] = [key.slice(0, cut), key.slice(cut + 1)];
        if (kind === 'residency') emit({ kind, path: name, text: `${name} has other bytes on the SSD.` });
        else if (kind === 'runs') emit({ kind, run: name, text: `The run ${name} went on.` });
        else emit({ kind, text: `Transfer ${name}: ${value.split(' ')[0]}.` });
      }
    seen = now;
  };
  const timer = setInterval(look, kLookMs);
  // tierd's own way: the answer waits until there is something, or for `ms`.
  const wait = async (since, last, ms) => {
    const from = since === null ? Math.max(1, told.length + 1 - last) : since;
    if (since !== null && told.length < from)
      await new Promise((done) => {
        const end = () => { clearTimeout(later); waiting.delete(end); done(); };
        const later = setTimeout(end, ms);
        waiting.add(end);
      });
    return { events: told.slice(from - 1), next: told.length + 1, lost: false };
  };
  return { emit, recent, wait, drop: () => sockets.forEach((s) => s.destroy()), stop: () => { clearInterval(timer); for (const w of waiting) w(); sockets.forEach((s) => s.destroy()); } };
}
