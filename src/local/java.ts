import { join } from 'node:path'
import { LocalStackError } from './errors.ts'
import { findExecutable, isExecutable } from './executables.ts'
import type { LocalContext } from './local-server.ts'
import { aptInstall, hasApt } from './packages.ts'

/** Kafka wants Java 17 or newer; releases of Debian and Ubuntu carry different ones. */
const JAVA_PACKAGES = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless']

/** `java` of JAVA_HOME or the PATH, else installed by apt as root. Rejects with `KAFKA_MISSING`. */
export async function findJava(context: LocalContext): Promise<string> {
  const found = installedJava(context)
  if (found !== undefined) return found
  if (hasApt(context)) await installJava(context)
  const java = installedJava(context)
  if (java !== undefined) return java
  throw new LocalStackError('KAFKA_MISSING', 'no Kafka: install Java 17 or newer, or set KAFKA_BROKERS')
}

function installedJava({ env }: LocalContext): string | undefined {
  const ofHome = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : undefined
  return ofHome !== undefined && isExecutable(ofHome) ? ofHome : findExecutable(env, 'java')
}

async function installJava(context: LocalContext): Promise<void> {
  for (const name of JAVA_PACKAGES) {
    const installed = await aptInstall(context, name).then(
      () => true,
      () => false,
    )
    if (installed) return
  }
}

/** Makes sure that `mvn` is on the PATH, by apt as root. Rejects with `KAFKA_MISSING`. */
export async function requireMaven(context: LocalContext): Promise<void> {
  if (findExecutable(context.env, 'mvn') === undefined && hasApt(context)) {
    await aptInstall(context, 'maven').catch(() => undefined)
  }
  if (findExecutable(context.env, 'mvn') !== undefined) return
  const remedy = 'install Maven, or set KAFKA_HOME to an unpacked Apache Kafka, or KAFKA_BROKERS'
  throw new LocalStackError('KAFKA_MISSING', `no Kafka: ${remedy}`)
}
