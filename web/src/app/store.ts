// State of the page that belongs to no address: the theme, notices, what was asked to be fetched.
import { create } from 'zustand';

export type Theme = 'system' | 'light' | 'dark';

export interface Notice {
  id: number;
  kind: 'info' | 'error';
  text: string;
}

interface Ui {
  theme: Theme;
  notices: Notice[];
  fetching: Record<number, string[]>; // paths by the prefetch's id
  keysShown: boolean;
  sharing: string; // the image whose links are shown; "": none
  setTheme(theme: Theme): void;
  say(kind: Notice['kind'], text: string): void;
  dismiss(id: number): void;
  remember(id: number, paths: string[]): void;
  showKeys(shown: boolean): void;
  share(path: string): void;
}

const kThemeKey = 'tierhub.theme';

function storedTheme(): Theme {
  try {
    const t = localStorage.getItem(kThemeKey);
    return t === 'light' || t === 'dark' ? t : 'system';
  } catch {
    return 'system'; // storage may be forbidden; the page works without
  }
}

let lastNotice = 0;

export const useUi = create<Ui>((set) => ({
  theme: storedTheme(),
  notices: [],
  fetching: {},
  keysShown: false,
  sharing: '',
  setTheme(theme) {
    try {
      localStorage.setItem(kThemeKey, theme);
    } catch {
      // see storedTheme
    }
    set({ theme });
  },
  say: (kind, text) => set((s) => ({ notices: [...s.notices, { id: ++lastNotice, kind, text }].slice(-4) })),
  dismiss: (id) => set((s) => ({ notices: s.notices.filter((n) => n.id !== id) })),
  remember: (id, paths) => set((s) => ({ fetching: { ...s.fetching, [id]: paths } })),
  showKeys: (keysShown) => set({ keysShown }),
  share: (sharing) => set({ sharing }),
}));

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
