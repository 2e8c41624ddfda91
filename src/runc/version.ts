// Who we are, in the lines that callers of runc parse.

export const NAME = 'berth-runc'
export const VERSION = '0.1.0'
/** The runtime specification that configurations are read by, and the oldest. */
export const SPEC_VERSION = '1.3.0'
export const SPEC_VERSION_LEAST = '1.0.0'

export function versionText(): string {
  return `${NAME} version ${VERSION}\nspec: ${SPEC_VERSION}\n`
}
