// What a registry is sent: paths, ranges, credentials, and its configuration, which is trusted but has to be refused in due form.
import assert from 'node:assert/strict'
import { ApiError } from '../../src/registry/server/api-error.ts'
import { matchesPattern } from '../../src/registry/server/auth/access-rules.ts'
import { parseBasic, parseBearer } from '../../src/registry/server/auth/parse-basic.ts'
import { parseConfig } from '../../src/registry/server/config/parse-config.ts'
import { parseContentRange, parseRange } from '../../src/registry/server/http/parse-range.ts'
import { parseRoute } from '../../src/registry/server/http/route.ts'
import { parseRepositoryName, parseTag, parseUploadId } from '../../src/registry/server/names.ts'
import type { Target } from './targets.ts'

const SIZE = 1000
const texts = (...samples: string[]) => samples.map((text) => Buffer.from(text))

export const REGISTRY_TARGETS: Record<string, Target> = {
  'registry path': {
    samples: texts(
      '_catalog',
      `a/b/manifests/sha256:${'ab'.repeat(32)}`,
      'blobs/uploads/blobs/uploads/123e4567-e89b-42d3-a456-426614174000',
      'a__b/c-d/tags/list',
      `a/referrers/sha256:${'0'.repeat(64)}`,
    ),
    run(input) {
      const route = parseRoute(input.toString())
      if (route === undefined) return
      const parts = [parseRepositoryName(route.name), parseTag(route.reference), parseUploadId(route.reference)]
      // What becomes a file's name or an object's key.
      for (const part of parts)
        assert.ok(part === undefined || !/(^|\/)(\.|_|\/|$)|\0|\s/.test(part.replace(/^_/, 'x')), part)
    },
  },
  'registry range': {
    samples: texts('bytes=0-99', 'bytes=-5', 'bytes=7-', '0-1023', 'bytes 5-9/*', 'bytes=0-1,3-4'),
    run(input) {
      const header = input.toString()
      const range = parseRange(header, SIZE)
      if (typeof range === 'object') assert.ok(0 <= range.start && range.start <= range.end && range.end < SIZE)
      try {
        const sent = parseContentRange(header)
        assert.ok(sent !== undefined && sent.start <= sent.end && Number.isSafeInteger(sent.end))
      } catch (error) {
        assert.ok(error instanceof ApiError && error.code === 'RANGE_INVALID')
      }
    },
  },
  'registry credentials': {
    samples: texts(`Basic ${btoa('user:pass:word')}`, 'Bearer a.b.c', 'basic   dTo='),
    run(input) {
      const header = input.toString()
      const basic = parseBasic(header)
      assert.ok(basic === undefined || !basic.user.includes(':'))
      assert.ok(basic === undefined || parseBearer(header) === undefined)
    },
  },
  'registry access pattern': {
    samples: texts('team/**', '{user}/*', '(a+)+', '**/release'),
    run: (input) => void matchesPattern(input.toString().slice(0, 100), 'team/a/b', '.*'),
  },
  'registry configuration': {
    samples: texts(
      'version: 0.1\nstorage: { filesystem: { rootdirectory: /data }, delete: { enabled: true } }\nhttp: { addr: ":5000" }\n',
      JSON.stringify({
        version: 0.1,
        storage: { inmemory: {}, maintenance: { garbagecollection: { enabled: true, interval: '1h30m' } } },
        http: { addr: '[::1]:5000', prefix: '/a/', headers: { 'X-A': ['b'] } },
        auth: { htpasswd: { realm: 'x', path: '/p' } },
        policy: { repository: { quotas: [{ repositories: ['team/*'], bytes: '10g' }] } },
      }),
    ),
    run: (input) => void parseConfig(input.toString()),
  },
}
