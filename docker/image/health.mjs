/**
 * `node health.mjs PATH PORT…`: ends with 0 when one of the ports of this container answers the path with 200. The image has
 * no curl.
 */
const [path = '/health', ...ports] = process.argv.slice(2)

async function isWell(port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(4000) })
    await response.body?.cancel()
    return response.status === 200
  } catch {
    return false
  }
}

const answers = await Promise.all(ports.map(isWell))
process.exit(answers.includes(true) ? 0 : 1)
