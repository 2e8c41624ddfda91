// GET /version
import { API_VERSION, BERTH_VERSION } from '../../api/versions.ts'
import type { Engine } from '../engine.ts'
import type { ApiResponse } from '../http/route.ts'
import { initProgram } from './init-program.ts'
import { goArchitecture, kernelVersion } from './host-facts.ts'

export async function showVersion(engine: Engine): Promise<ApiResponse> {
  const { config } = engine
  const [containerd, init] = await Promise.all([engine.containerd.version.version({}), initProgram(engine)])
  const common = {
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: goArchitecture(),
    KernelVersion: kernelVersion(),
    BuildTime: '',
  }
  const engineDetails = {
    ApiVersion: API_VERSION,
    Arch: common.Arch,
    BuildTime: common.BuildTime,
    Experimental: String(config.isExperimental),
    GitCommit: common.GitCommit,
    GoVersion: common.GoVersion,
    KernelVersion: common.KernelVersion,
    MinAPIVersion: config.minApiVersion,
    NodeVersion: process.version,
    Os: common.Os,
  }
  const body = {
    Platform: { Name: 'Berth' },
    Version: BERTH_VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: config.minApiVersion,
    Os: common.Os,
    Arch: common.Arch,
    Components: [
      { Name: 'Engine', Version: BERTH_VERSION, Details: engineDetails },
      { Name: 'containerd', Version: containerd.version, Details: { GitCommit: containerd.revision } },
      ...(engine.peer.isOwn ? [{ Name: 'berth-runc', Version: BERTH_VERSION, Details: { GitCommit: '' } }] : []),
      ...(init.version === ''
        ? []
        : [{ Name: 'docker-init', Version: init.version, Details: { GitCommit: init.commit } }]),
    ],
    GitCommit: common.GitCommit,
    // Clients print it under the name "Go version": what runs us stands there.
    GoVersion: `node ${process.version}`,
    KernelVersion: common.KernelVersion,
    BuildTime: common.BuildTime,
    ...(config.isExperimental ? { Experimental: true } : {}),
  }
  return { kind: 'json', status: 200, body }
}
