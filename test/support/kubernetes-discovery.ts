import type { KubernetesObject } from './kustomize.ts'

interface Resource {
  name: string
  kind: string
  namespaced: boolean
}

/** Resources by apiVersion and by their name in a path. */
export type Catalogue = ReadonlyMap<string, ReadonlyMap<string, Resource>>

const pluralOf = (kind: string) => kind.toLowerCase().replace(/y$/, 'ie').concat('s')

/** The kinds of these objects, and namespaces. */
export function catalogueOf(known: readonly Pick<KubernetesObject, 'apiVersion' | 'kind'>[]): Catalogue {
  const catalogue = new Map<string, Map<string, Resource>>()
  for (const { apiVersion, kind } of [...known, { apiVersion: 'v1', kind: 'Namespace' }]) {
    const resources = catalogue.get(apiVersion) ?? new Map<string, Resource>()
    const name = pluralOf(kind)
    catalogue.set(apiVersion, resources.set(name, { name, kind, namespaced: kind !== 'Namespace' }))
  }
  return catalogue
}

/** What kubectl asks first: which kinds there are, and whether the server itself checks the fields of what it is sent. */
export function discovery(path: string, catalogue: Catalogue): unknown {
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] }
  const versions = [...catalogue.keys()]
  if (path === '/apis') {
    const groups = versions.filter(version => version !== 'v1').map(groupOf)
    return { kind: 'APIGroupList', apiVersion: 'v1', groups }
  }
  if (path === '/openapi/v3') {
    const paths = versions.map(version => [pathOf(version), { serverRelativeURL: `/openapi/v3/${pathOf(version)}` }])
    return { paths: Object.fromEntries(paths) }
  }
  const version = versions.find(one => path.endsWith(`/${pathOf(one)}`))
  const resources = [...(catalogue.get(version ?? '')?.values() ?? [])]
  if (version === undefined) return undefined
  return path.startsWith('/openapi/') ? schemaOf(version, resources) : listOf(version, resources)
}

const pathOf = (version: string) => (version === 'v1' ? 'api/v1' : `apis/${version}`)

function groupOf(groupVersion: string): unknown {
  const [name, version] = groupVersion.split('/')
  return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } }
}

function listOf(groupVersion: string, all: readonly Resource[]): unknown {
  const verbs = ['create', 'delete', 'get', 'list', 'patch', 'watch']
  const resources = all.map(resource => ({ ...resource, singularName: '', verbs }))
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources }
}

function schemaOf(groupVersion: string, resources: readonly Resource[]): unknown {
  const [version, group = ''] = groupVersion.split('/').reverse()
  const paths = resources.map(({ name, kind }) => {
    const parameters = [{ name: 'fieldValidation', in: 'query' }]
    const patch = { parameters, 'x-kubernetes-group-version-kind': { group, version, kind } }
    return [`/${pathOf(groupVersion)}/${name}/{name}`, { patch }]
  })
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: 'v1' }, paths: Object.fromEntries(paths) }
}
