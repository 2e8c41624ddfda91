// What takes bytes from strangers. A target may refuse its input with a Failure; everything else that it throws is a bug, and so is taking long.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { gzipSync } from 'node:zlib'
import { isFailure } from '../../src/base/failure.ts'
import { parseStdioUri } from '../../src/containerd/client/stdio-uri.ts'
import { layerPath, parseWhiteout } from '../../src/containerd/diff/layer-path.ts'
import { ZstdWindows } from '../../src/wire/compression/zstd-windows.ts'
import { parseFilters as parseContainerdFilters } from '../../src/containerd/filters/parse-filter.ts'
import { parseKind } from '../../src/engine/cdi/device-name.ts'
import { parseCdiSpec } from '../../src/engine/cdi/parse-spec.ts'
import { publishRequests } from '../../src/engine/container/port-bindings.ts'
import { parseBind } from '../../src/engine/container/spec/parse-bind.ts'
import { resolveUser } from '../../src/engine/container/spec/resolve-user.ts'
import { parseFilters } from '../../src/engine/http/filters.ts'
import { cleanPath, matchRoute } from '../../src/engine/http/router.ts'
import { matchGlob } from '../../src/engine/image/glob.ts'
import { parseLogLine } from '../../src/engine/logs/log-entry.ts'
import { containerResolvConf } from '../../src/network/resolv-conf.ts'
import { parseImageConfig } from '../../src/oci/parse-image-config.ts'
import { parseManifestOrIndex } from '../../src/oci/parse-manifest.ts'
import { parsePlatform } from '../../src/oci/parse-platform.ts'
import { formatReference, parseReference } from '../../src/oci/parse-reference.ts'
import { parseChallenges } from '../../src/registry/upstream/parse-challenge.ts'
import { parseRuntimeSpec } from '../../src/runtime/parse-runtime-spec.ts'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { formatPlan } from '../../src/runtime/format-plan.ts'
import { planContainer } from '../../src/runtime/plan-container.ts'
import { planExec } from '../../src/runtime/plan-exec.ts'
import type { Launch } from '../../src/runtime/plan-types.ts'
import { encodeExecPlan } from '../../src/shim/encode-plan.ts'
import { FrameDecoder, decodeError, decodeHello, decodeProcess, decodeSync } from '../../src/shim/frames.ts'
import { imageFile } from '../../src/image/make-image.ts'
import { encodeTarHeader } from '../../src/wire/tar/write-tar.ts'
import { TarParser } from '../../src/wire/tar/tar-parser.ts'
import { ROOT } from '../harness/root.ts'
import { ARCHIVE_TARGETS } from './archive-targets.ts'
import { checkPlan } from './check-plan.ts'
import { LOG_TARGETS } from './log-targets.ts'
import { Random } from './mutate.ts'
import { randomSpec } from './random-spec.ts'
import { REGISTRY_TARGETS } from './registry-targets.ts'

export interface Target {
  samples: readonly Buffer[]
  run(input: Buffer): void | Promise<void>
}

const texts = (...samples: string[]) => samples.map((text) => Buffer.from(text))
const DIGEST = `sha256:${'ab'.repeat(32)}`
const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: DIGEST, size: 3 }

/** Runs one input; false where it was refused in due form. */
export async function attempt(target: Target, input: Buffer): Promise<boolean> {
  try {
    await target.run(input)
    return true
  } catch (error) {
    if (isFailure(error)) return false
    throw error
  }
}

export const TARGETS: Record<string, Target> = {
  ...ARCHIVE_TARGETS,
  ...LOG_TARGETS,
  ...REGISTRY_TARGETS,
  tar: {
    samples: tarSamples(),
    run(input) {
      let open = false
      const parser = new TarParser({
        entry(entry) {
          const path = layerPath(entry.name)
          assert.equal(posix.normalize(path), path)
          assert.ok(
            path.startsWith('/') && !path.includes('/../') && !path.endsWith('/..') && !path.includes('\0'),
            path,
          )
          parseWhiteout(path)
          layerPath(entry.linkName)
          assert.ok(entry.size >= 0 && Number.isSafeInteger(entry.size))
          open = true
        },
        data: () => assert.ok(open),
        end() {
          open = false
        },
      })
      const half = input.length >> 1
      parser.push(input.subarray(0, half))
      parser.push(input.subarray(half))
      parser.finish()
    },
  },
  manifest: {
    samples: texts(
      JSON.stringify({ schemaVersion: 2, config: descriptor, layers: [descriptor], annotations: { a: 'b' } }),
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ ...descriptor, platform: { os: 'linux', architecture: 'arm64' } }],
      }),
    ),
    run(input) {
      const document = parseManifestOrIndex(input, '')
      assert.ok(document.kind === 'index' || document.layers.every(({ size }) => size >= 0))
    },
  },
  'image config': {
    samples: texts(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { User: 'x', Env: ['A=b'], Volumes: { '/v': {} }, Labels: { l: 'v' }, Healthcheck: { Test: ['CMD'] } },
        rootfs: { type: 'layers', diff_ids: [DIGEST] },
        history: [{ empty_layer: true }],
      }),
    ),
    run: (input) => void parseImageConfig(input),
  },
  reference: {
    samples: texts('busybox', 'docker.io/library/busybox:latest', `127.0.0.1:5000/a/b@${DIGEST}`, '[::1]:5000/x:y'),
    run(input) {
      const reference = parseReference(input.toString())
      assert.ok(!/\s|\.\.\/|\0/.test(formatReference(reference)))
    },
  },
  platform: { samples: texts('linux/arm/v7', 'arm64', 'linux'), run: (input) => void parsePlatform(input.toString()) },
  'runtime spec': {
    samples: [
      readFileSync(`${ROOT}/test/golden/runtime/docker-config.json`),
      ...readdirSync(`${ROOT}/test/golden/spec`).map((name) =>
        specOf(readFileSync(`${ROOT}/test/golden/spec/${name}`)),
      ),
    ],
    run: (input) => planSpec(parseRuntimeSpec(input.toString()), undefined),
  },
  'random spec': {
    samples: randomSamples(),
    run(input) {
      const { spec, launch } = randomSpec(input)
      planSpec(parseRuntimeSpec(JSON.stringify(spec)), {
        ...launch,
        wait: { fifo: '/run/exec.fifo', status: '/run/status.fifo' },
        rootfsSource: '/bundle/rootfs',
      })
    },
  },
  frames: {
    samples: [
      Buffer.from('0600000001000000010001000000', 'hex'),
      Buffer.from('0800000011000100ffffffff02000000', 'hex'),
    ],
    run(input) {
      for (const frame of new FrameDecoder().push(input))
        for (const decode of [decodeHello, decodeError, decodeProcess, decodeSync])
          try {
            decode(frame.payload)
          } catch (error) {
            assert.ok(error instanceof RangeError) // the connection's way to say that it broke
          }
    },
  },
  'stdio URI': {
    samples: texts(
      'berth:///run/x/streams/a?log=json-file&path=%2Fdata%2Fx.log&max-size=10&max-file=3&stdin-once=1',
      'binary:///bin/sh',
      'file:///x',
    ),
    run(input) {
      const stdio = parseStdioUri(input.toString())
      assert.ok(stdio === undefined || stdio.socketPath.startsWith('/'))
      assert.ok(stdio === undefined || !`${stdio.socketPath}${stdio.log?.path ?? ''}`.includes('\0'))
    },
  },
  'containerd filter': {
    samples: texts('name==x,labels."a.b"~=/^(a+)+$/', 'id!=y', 'labels.x', 'name~=|a{2,40}|'),
    run: (input) => void parseContainerdFilters([input.toString().slice(0, 4096)])(() => 'a'.repeat(500)),
  },
  'docker filter': {
    samples: texts('{"name":{"^(a+)+$":true},"label":["a=b"],"dangling":["true"]}', '{"name":["^x{2,30}"]}'),
    run(input) {
      const filters = parseFilters(new URLSearchParams({ filters: input.toString() }))
      filters.pattern('name', `${'a'.repeat(200)}!`)
      filters.labels('label', { a: 'b' })
      filters.boolean('dangling', true)
    },
  },
  'request path': {
    samples: texts(
      '/v1.43/containers/json',
      '/containers/a%2fb/../x//json',
      '/v1.44/images/library/busybox/json',
      '/exec/1/start',
    ),
    run(input) {
      const path = input.toString()
      const clean = cleanPath(path)
      assert.equal(cleanPath(clean), clean)
      for (const method of ['GET', 'POST', 'DELETE', 'TRACE']) matchRoute(method, clean)
    },
  },
  glob: {
    samples: texts('bus*\nbusybox', '[a-z]?*[^x]\nabc', '***\\[\n['),
    run: (input) => void matchGlob(...halves(input)),
  },
  'users and groups': {
    samples: texts(
      'user:wheel\nroot:x:0:0::/root:\nuser:x:1:1::/:\nwheel:x:10:user',
      '1000\n1000:x:0:0::/:\nx:y',
      ':\n:::\n',
    ),
    run(input) {
      const [spec, files] = halves(input)
      const user = resolveUser(spec, files, files)
      for (const id of [user.uid, user.gid, ...user.additionalGids])
        assert.ok(Number.isInteger(id) && id >= 0 && id < 2 ** 31)
      const asked = /^\d+(?=:|$)/.exec(spec)?.[0]
      if (asked !== undefined) assert.equal(user.uid, Number(asked))
    },
  },
  bind: {
    samples: texts('/a:/b:ro,rshared', 'name:/data', '/x:/y:z', ':::'),
    run(input) {
      const { type, source } = parseBind(input.toString())
      if (type === 'bind') assert.ok(source.startsWith('/'))
    },
  },
  ports: {
    samples: texts(
      '{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}',
      '{"53/udp":[{"HostPort":"1-3"}],"1/sctp":null}',
    ),
    run(input) {
      const bindings = asObject(input) as Record<string, { HostIp: string; HostPort: string }[]> | undefined
      if (bindings === undefined) return
      for (const entry of Object.values(bindings))
        if (
          !Array.isArray(entry) ||
          entry.some((each) => typeof each?.HostPort !== 'string' || typeof each.HostIp !== 'string')
        )
          return
      for (const { hostPort, containerPort } of publishRequests({}, { PortBindings: bindings }))
        assert.ok(hostPort >= 0 && hostPort <= 65535 && containerPort > 0 && containerPort <= 65535)
    },
  },
  'resolv.conf': {
    samples: texts(
      '# x\nnameserver 127.0.0.1\nnameserver 10.0.0.1\nsearch a b\noptions ndots:2\n',
      'nameserver ::1%eth0\n',
    ),
    run: (input) => void containerResolvConf(input.toString(), { nameservers: [], searches: [], options: [] }),
  },
  'log line': {
    samples: texts(
      '{"log":"a\\u0041\\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}\n',
      '{"log":"\\ud800","attrs":{}}\n',
    ),
    run: (input) => void parseLogLine(input),
  },
  'cdi spec': {
    samples: texts(
      '{"cdiVersion":"0.6.0","kind":"a.b/c","devices":[{"name":"d","containerEdits":{"env":["A=1"],"mounts":[{"hostPath":"/a","containerPath":"/b"}]}}]}',
      'cdiVersion: "0.5.0"\nkind: a.b/c\ncontainerEdits: {hooks: [{hookName: prestart, path: /x, timeout: 3}]}\ndevices:\n- name: d\n  containerEdits: &e {deviceNodes: [{path: /dev/null, fileMode: 0600}]}\n- {name: f, containerEdits: *e}\n',
    ),
    run(input) {
      const { kind, devices } = parseCdiSpec(input.toString())
      assert.ok(parseKind(kind) !== undefined && devices.size > 0)
    },
  },
  challenge: {
    samples: texts('Bearer realm="https://a/b",service="c",scope="d", Basic realm="x"', `Basic ${' '.repeat(3000)}x`),
    run: (input) => void parseChallenges(input.toString('latin1').slice(0, 16_384)),
  },
  'zstd frames': {
    samples: [Buffer.from('28b52ffd0000110000616228b52ffde00000004000000000010000', 'hex'), gzipSync('x')],
    run: (input) => new ZstdWindows().push(input),
  },
}

function tarSamples(): Buffer[] {
  const files = [
    imageFile('a/b', { content: 'content' }),
    imageFile('../../x'),
    imageFile('.wh.a'),
    imageFile('a/.wh..wh..opq'),
  ]
  const archives = files.map(({ entry }) => {
    const content = Buffer.alloc(entry.size, 'x')
    return Buffer.concat([
      encodeTarHeader(entry),
      content,
      Buffer.alloc((512 - (content.length % 512)) % 512),
      Buffer.alloc(1024),
    ])
  })
  return [...archives, Buffer.concat(archives.map((archive) => archive.subarray(0, -1024)))]
}

/** Compiles and encodes a container's plan and one of an exec into it, and holds both against what every plan promises. */
function planSpec(spec: RuntimeSpec, launch: Launch | undefined): void {
  const common = {
    id: 'c0ffee',
    spec,
    host: { arch: 'x86_64' as const, cgroupVersion: 1 as const, capabilities: (1n << 41n) - 1n, lastCapability: 40 },
    rootfs: { passwd: undefined, group: undefined },
    cgroup: { steps: [], directory: undefined, hierarchies: [] },
    stdin: false,
    ...(launch === undefined ? {} : { launch }),
  }
  const rootfsDirectory = launch?.rootfsSource ?? '/run/berth/bundle/rootfs'
  const named = [rootfsDirectory, '/run/exec.fifo', '/run/status.fifo', '/run/console.sock']
  const described = planContainer({ ...common, rootfsDirectory })
  checkPlan(described, spec, named)
  encodeExecPlan(described.plan)
  assert.ok(formatPlan(described).length > 0)
  const process = spec.process ?? { cwd: '/' }
  const executed = planExec({ ...common, process, initPid: 7 })
  checkPlan(executed, spec, named)
  encodeExecPlan(executed.plan)
}

/** Bytes without meaning: each makes another spec. */
function randomSamples(): Buffer[] {
  const random = new Random(1)
  const buffers = Array.from({ length: 64 }, () => Buffer.from(Array.from({ length: 300 }, () => random.below(256))))
  return [Buffer.alloc(300), ...buffers]
}

function specOf(golden: Buffer): Buffer {
  const value = JSON.parse(golden.toString()) as { spec?: object }
  return Buffer.from(JSON.stringify(value.spec ?? value))
}

function halves(input: Buffer): [string, string] {
  const text = input.toString()
  const at = text.indexOf('\n')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function asObject(input: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(input.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
