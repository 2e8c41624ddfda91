// A runtime spec as the bytes of config.json.
import type { RuntimeSpec } from '../../../oci/runtime-spec.ts'

/**
 * JSON text of which every 64-bit number is exact: "unlimited" is 2^64-1, which JavaScript can only hold as 2^64 and would print as
 * 18446744073709552000, too big for anyone who reads it. Inside a JSON string the pattern can't occur, its quotes would be escaped.
 */
export function formatRuntimeSpec(spec: RuntimeSpec): string {
  return JSON.stringify(spec).replace(
    /("(?:soft|hard|value|valueTwo)":)18446744073709552000(?=[,}])/g,
    (_, key: string) => `${key}18446744073709551615`,
  )
}
