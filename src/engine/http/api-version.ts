// The version in a request's path, checked as Docker does.
import { API_VERSION, API_VERSION_MIN, compareVersions } from '../../api/versions.ts'
import { Failure } from '../../base/failure.ts'
import type { ApiVersion } from './route.ts'

/** `text` is what stood after `/v`; undefined where the path had none. Throws in Docker's words. */
export function negotiateVersion(text: string | undefined, oldest: string = API_VERSION_MIN): ApiVersion {
  const version = text ?? API_VERSION
  if (compareVersions(version, oldest) < 0)
    throw new Failure(
      'invalid-argument',
      `client version ${version} is too old. Minimum supported API version is ${oldest}, please upgrade your client to a newer version`,
    )
  if (compareVersions(version, API_VERSION) > 0)
    throw new Failure(
      'invalid-argument',
      `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`,
    )
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return { major, minor, atLeast: (other) => isAtLeast(major, minor, other) }
}

/** Asked some ten times of each container in a list: without arrays. What may follow the minor version changes nothing. */
function isAtLeast(major: number, minor: number, other: string): boolean {
  const dot = other.indexOf('.')
  const otherMajor = Number(other.slice(0, dot))
  return major > otherMajor || (major === otherMajor && minor >= Number(other.slice(dot + 1)))
}
