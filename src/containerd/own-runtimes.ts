// Which runtimes' names are the built-in one's. docs/decisions/foreign-shims.md has the reasons.

/** Runtimes that are ours where nobody says otherwise: what clients ask for who have not been told to ask for anything. */
export const OWN_RUNTIMES = ['io.containerd.runc.v2', 'io.containerd.runc.v1', 'io.containerd.runtime.v1.linux']

/** Asked for by nobody else, whatever the settings say: no name at all, and the built-in runtime's own. */
const ALWAYS_OWN = ['', 'io.containerd.berth.v2']

/** @param names those of the settings. */
export function isOwn(runtime: string, names: readonly string[]): boolean {
  return ALWAYS_OWN.includes(runtime) || names.includes(runtime)
}
