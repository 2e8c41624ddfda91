// What is offered for a word that is being typed, in the protocol that the shells' scripts of spf13/cobra speak: one offer a line, a
// description after a tab, and a last line with what the shell shall do.

/** Bits of the last line. */
export const DIRECTIVE = { default: 0, error: 1, noSpace: 2, noFiles: 4 } as const

export interface Offers {
  /** `name`, or `name\tdescription`. */
  words: readonly string[]
  directive: number
}

/** Files, as the shell finds them. */
export const FILES: Offers = { words: [], directive: DIRECTIVE.default }
export const NOTHING: Offers = { words: [], directive: DIRECTIVE.noFiles }
/** The engine could not be asked. */
export const FAILED: Offers = { words: [], directive: DIRECTIVE.error }

export function offer(words: readonly string[]): Offers {
  return { words, directive: DIRECTIVE.noFiles }
}

/** Something is still to be typed after each of them. */
export function offerParts(words: readonly string[]): Offers {
  return { words, directive: DIRECTIVE.noSpace }
}

const NAMES: readonly (readonly [number, string])[] = [
  [DIRECTIVE.error, 'ShellCompDirectiveError'],
  [DIRECTIVE.noSpace, 'ShellCompDirectiveNoSpace'],
  [DIRECTIVE.noFiles, 'ShellCompDirectiveNoFileComp'],
]

/** For people who look what a script gets. */
export function describeDirective(directive: number): string {
  const names = NAMES.filter(([bit]) => (directive & bit) !== 0).map(([, name]) => name)
  return names.length === 0 ? 'ShellCompDirectiveDefault' : names.join(', ')
}
