// What a client can show of itself to a registry.

export interface RegistryAuth {
  username?: string
  password?: string
  identityToken?: string
  registryToken?: string
  /** A whole Authorization header, for the registry itself. */
  authorization?: string
}
