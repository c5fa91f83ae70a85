import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { parse, stringify } from 'yaml'
import { OVERLAYS, PROCESSES, podOf, readOverlays } from '#test/support/kubernetes.ts'
import { objectOf, readObjects } from '#test/support/kustomize.ts'

const { overlays, production, examples } = readOverlays()

describe('the network and the monitoring of Kubernetes', () => {
  test.each(OVERLAYS)('every server of %s is let through, and no other port', overlay => {
    const objects = overlays[overlay]
    const settings = Object.assign({}, ...objects.filter(({ kind }) => kind === 'ConfigMap').map(({ data }) => data))
    const urls = [...Object.values(examples[0]!.stringData!), settings.MONEY_API_URL].filter(text =>
      text.includes('://'),
    )
    const ports = urls.map(text => new URL(text).port || '443')
    const brokers = (settings.KAFKA_BROKERS as string).split(',').map(broker => broker.split(':')[1]!)
    const { egress } = objectOf(objects, 'NetworkPolicy', 'promostream').spec as {
      egress: { to?: object[]; ports: { port: number; protocol?: string }[] }[]
    }
    const open = egress.flatMap(rule => rule.ports).map(({ port }) => String(port))
    expect(new Set(open)).toEqual(new Set(['53', ...ports, ...brokers]))
    const names = egress.flatMap(rule => rule.ports).filter(({ port }) => port === 53)
    // Names are asked for by UDP; TCP is for long answers.
    expect(names.map(({ protocol }) => protocol).sort()).toEqual(['TCP', 'UDP'])
    // The label of every cluster's DNS, in whatever namespace it is.
    expect(egress.filter(({ to }) => to !== undefined).flatMap(({ to }) => to)).toEqual([
      { namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } },
    ])
  })

  test('the Service reaches the admin, and Prometheus each process by the name that the rules know it by', () => {
    const service = objectOf(production, 'Service', 'promostream-admin')
    const admin = objectOf(production, 'Deployment', 'promostream-admin')
    expect(admin.spec.template.metadata.labels).toMatchObject(service.spec.selector)
    expect(service.spec.ports[0].targetPort).toBe(podOf(admin).containers[0]!.ports![0]!.name)
    const byPod = objectOf(production, 'PodMonitor', 'promostream').spec
    const byService = objectOf(production, 'ServiceMonitor', 'promostream-admin').spec
    expect([byPod.jobLabel, byService.jobLabel]).toEqual(['app', 'app'])
    expect(service.metadata.labels).toMatchObject(byService.selector.matchLabels)
    expect(byService.endpoints[0].port).toBe(service.spec.ports[0].name)
    for (const { path } of [...byPod.podMetricsEndpoints, ...byService.endpoints]) expect(path).toBe('/metrics')
    const login = byService.endpoints[0].basicAuth as Record<'username' | 'password', { name: string; key: string }>
    for (const { name, key } of [login.username, login.password])
      expect(objectOf(examples, 'Secret', name).stringData).toHaveProperty(key)
    const jobs = [...(byPod.selector.matchExpressions[0].values as string[]), service.metadata.labels!.app]
    expect(jobs.sort()).toEqual(PROCESSES.map(name => `promostream-${name}`).sort())
    for (const name of ['listener', 'worker'])
      expect(podOf(objectOf(production, 'Deployment', `promostream-${name}`)).containers[0]!.ports![0]!.name).toBe(
        byPod.podMetricsEndpoints[0].port,
      )
  })

  test('the rules of the operator are those of Prometheus (UPDATE_RULES=1 writes them)', () => {
    const path = 'docker/k8s/components/monitoring/rules.yaml'
    const { groups } = parse(readFileSync('docker/prometheus/alerts.yaml', 'utf8'))
    const rule = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'promostream', labels: { 'app.kubernetes.io/part-of': 'promostream' } },
      spec: { groups },
    }
    if (process.env.UPDATE_RULES !== undefined)
      writeFileSync(
        path,
        `# Written by a test, from docker/prometheus/alerts.yaml.\n${stringify(rule, { lineWidth: 120 })}`,
      )
    expect(readObjects(path)).toEqual([rule])
  })
})
