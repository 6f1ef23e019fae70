// What an administrator runs in a shell where tierd refuses the person.
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

export const pinCommand = (paths: string[], reason: string) => `tierctl pin ${reason ? `--reason ${quoted(reason)} ` : ''}${paths.map(quoted).join(' ')}`;
export const unpinCommand = (paths: string[], owner: string) => `tierctl unpin --owner ${quoted(owner)} ${paths.map(quoted).join(' ')}`;
