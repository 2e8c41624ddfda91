// The order of names with numbers in them, as people count: `a2` before `a10`.

/** Negative where `a` comes first. */
export function compareNaturally(a: string, b: string): number {
  const parts = (text: string) => text.match(/\d+|\D+/g) ?? []
  const [left, right] = [parts(a), parts(b)]
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [x = '', y = ''] = [left[index], right[index]]
    if (x === y) continue
    if (/^\d/.test(x) && /^\d/.test(y) && Number(x) !== Number(y)) return Number(x) - Number(y)
    return x < y ? -1 : 1
  }
  return left.length - right.length
}
