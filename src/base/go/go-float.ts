// Numbers that Go knows as float64: those with a point or an exponent.

/** JSON and JavaScript have one kind of number; a template has two. */
export class GoFloat {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }

  /** As %v prints it: the shortest digits, with an exponent below 1e-4 and from 1e21 on. */
  toString(): string {
    return formatGeneral(this.value)
  }
}

function formatGeneral(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const size = Math.abs(value)
  if (value === 0 || (size >= 1e-4 && size < 1e21)) return String(value)
  return padExponent(value.toExponential())
}

/** Go's exponents have two digits at least. */
export function padExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}
