// What is spoken first: who calls, that a machine is speaking, whether it is recorded, and how to make it stop.
import { OPT_OUT_DIGIT } from './opt-out.ts'

export interface DisclosureFacts {
  direction: 'inbound' | 'outbound'
  workspaceName: string
  recorded: boolean
}

/** Longest workspace name that is spoken; a person should not have to wait through more. */
const MAX_SPOKEN_NAME_LENGTH = 80

/** The default wording of the disclosure, for connections that bring none of their own. */
export function defaultDisclosure({ direction, workspaceName, recorded }: DisclosureFacts): string {
  const name = workspaceName.slice(0, MAX_SPOKEN_NAME_LENGTH)
  const recording = recorded ? ' This call is recorded.' : ''
  return direction === 'outbound'
    ? `Hello, this is an automated AI assistant calling for ${name}.${recording} ` +
        `To stop calls like this one, press ${OPT_OUT_DIGIT} at any time.`
    : `Hello, you have reached ${name}. An automated AI assistant is speaking.${recording} ` +
        `If you want no calls from us, press ${OPT_OUT_DIGIT} at any time.`
}

/** What to speak first on a connection, or null where it has turned compliance off and brings no text. */
export function disclosureOf(
  connection: { complianceEnabled: boolean; disclosure: string | null },
  facts: DisclosureFacts,
): string | null {
  if (!connection.complianceEnabled) return null
  return connection.disclosure ?? defaultDisclosure(facts)
}
