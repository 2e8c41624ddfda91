// Looks users up in the text of a container's /etc/passwd. The text is the image's, so nothing about it is taken for granted.

/** The home directory of a user id; `/` where the file does not say, as Docker has it. */
export function findHome(passwd: string | undefined, uid: number): string {
  const home = findPasswdLine(passwd, uid)?.[5]
  return home === undefined || home === '' || home.includes('\0') ? '/' : home
}

/** The fields of the first line whose third field is this number. */
function findPasswdLine(passwd: string | undefined, uid: number): string[] | undefined {
  const wanted = String(uid)
  for (const line of (passwd ?? '').split('\n')) {
    const fields = line.trim().split(':')
    if (fields.length >= 6 && parseId(fields[2]!) === wanted) return fields
  }
  return undefined
}

/** `007` is 7; anything but digits is nobody. */
function parseId(text: string): string | undefined {
  return /^[0-9]{1,10}$/.test(text) ? String(Number(text)) : undefined
}
