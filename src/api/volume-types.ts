// Volumes as the Engine API shows them.

export interface VolumeUsageData {
  /** Bytes; -1 where it is not known. */
  Size: number
  /** Containers that have it, running or not. */
  RefCount: number
}

export interface VolumeSummary {
  CreatedAt: string
  Driver: string
  Labels: Readonly<Record<string, string>> | null
  Mountpoint: string
  Name: string
  Options: Readonly<Record<string, string>> | null
  Scope: 'local' | 'global'
  Status?: Readonly<Record<string, unknown>>
  /** Only where disk usage is asked for. */
  UsageData?: VolumeUsageData
}

/** The body of POST /volumes/create. */
export interface VolumeCreateRequest {
  Name?: string
  Driver?: string
  DriverOpts?: Record<string, string> | null
  Labels?: Record<string, string> | null
  ClusterVolumeSpec?: object | null
}

export interface VolumeList {
  Volumes: VolumeSummary[]
  Warnings: string[] | null
}

export interface VolumePruneReport {
  VolumesDeleted: string[]
  SpaceReclaimed: number
}
