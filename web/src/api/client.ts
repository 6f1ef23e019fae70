// Requests to the hub. Every failure becomes an ApiError whose message is a sentence for people.

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly etaMs = 0,
  ) {
    super(message);
    this.name = 'ApiError';
  }

  // The bytes are on their way from the archive: the same request works later.
  get recalling(): boolean {
    return this.status === 503 && this.etaMs > 0;
  }
}

export const kUnreachable =
  'The hub does not answer. Check the network and that tierweb runs; this page tries again by itself.';
export const kLoggedOut = 'Your session has ended.';

// "path=%2Fa%20b": the hub decodes percent signs only, not the plus signs of forms.
export function query(values: Record<string, string | number>): string {
  return Object.entries(values).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&');
}

export async function errorOf(response: Response): Promise<ApiError> {
  let message = '';
  let code = '';
  try {
    const body = (await response.json()) as { error?: string; code?: string };
    message = body.error ?? '';
    code = body.code ?? '';
  } catch {
    // Not JSON: a proxy between us and the hub may have answered. The status has to do.
  }
  if (response.status === 401) message = kLoggedOut;
  if (!message) message = `The hub answered with status ${response.status}.`;
  const eta = Number(response.headers.get('x-tierhub-eta-ms') ?? 0);
  const recalling = /^(recalling|cold)$/.test(response.headers.get('x-tierhub-state') ?? '');
  return new ApiError(message, response.status, code, recalling ? Math.max(1, eta) : 0);
}

export async function send(address: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, { credentials: 'same-origin', ...options });
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e;
    throw new ApiError(kUnreachable, 0, 'ENOTCONN');
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

export async function get<T>(address: string, signal?: AbortSignal): Promise<T> {
  return (await (await send(address, { signal })).json()) as T;
}

// The header tells the hub that a page of its own sent this, not a form on another site.
export async function change<T>(method: 'POST' | 'DELETE', address: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { 'X-TierHub': '1' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await send(address, { method, headers, body: body === undefined ? null : JSON.stringify(body), signal: signal ?? null });
  return (await response.json()) as T;
}

export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : first + '.';
}
