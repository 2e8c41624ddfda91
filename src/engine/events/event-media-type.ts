// Which of the framings of a stream of JSON a client gets: `Accept` by RFC 9110, section 12.5.1, of which only exact media types count.
import type { ApiVersion } from '../http/route.ts'

/** The earlier wins where a client wants two as much. */
const OFFERS = ['application/jsonl', 'application/x-ndjson', 'application/json-seq']

/** Without a wish it is `application/jsonl`, and before API 1.52 `application/json`, which the stream never was. */
export function chooseEventMediaType(accept: string | undefined, version: ApiVersion): string {
  const ranges = (accept ?? '').split(',').map(parseRange)
  let best = { type: version.atLeast('1.52') ? 'application/jsonl' : 'application/json', quality: 0 }
  for (const offer of OFFERS)
    for (const { type, quality } of ranges) if (type === offer && quality > best.quality) best = { type, quality }
  return best.type
}

function parseRange(text: string): { type: string; quality: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  return { type, quality: quality === undefined ? 1 : Number(quality) || 0 }
}
