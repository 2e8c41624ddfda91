// Platforms as images name them: `linux/amd64`, `linux/arm64/v8`.

export interface Platform {
  os: string
  architecture: string
  variant?: string
}
