// Which brain answers for a connection: the customer's own, a model, the platform's demo, or nobody.
import { Fault, type Clock, type Log } from '@saperly/kernel'
import type { Dialler } from '../outbound/dialler.ts'
import { type SecretBox, sealedFor } from '../secrets/box.ts'
import type { ConnectionRow, Tables, Tenant } from '../store/port.ts'
import type { Model } from './completions.ts'
import { DemoBrain } from './demo.ts'
import { HostedBrain } from './hosted.ts'
import { ManualBrain } from './manual.ts'
import type { Desk } from './desk.ts'
import type { DeskFinder } from './desks.ts'
import { ManualWebhook } from './manual-webhook.ts'
import { type Brain, type BrainCall, BrainLost, type Brains } from './port.ts'

export interface ConnectionBrainsDeps {
  tables: Pick<Tables, 'connections' | 'numbers'>
  desks: DeskFinder
  dialler: Dialler
  box: SecretBox
  /** The operator's models, by the name that a connection's `llm.model` has when its kind is `managed`. */
  models: Readonly<Record<string, Model>>
  clock: Clock
  log: Log
}

export class ConnectionBrains implements Brains {
  readonly #deps: ConnectionBrainsDeps

  constructor(deps: ConnectionBrainsDeps) {
    this.#deps = deps
  }

  async available(
    tenant: Tenant,
    connectionId: string,
    numberWebhookUrl: string | null,
  ): Promise<boolean> {
    const row = await this.#deps.tables.connections.get(tenant, connectionId)
    if (row === null || row.deletedAt !== null) return false
    if (tenant.environment === 'test' || this.#hasWebhookOrModel(row, numberWebhookUrl)) return true
    return row.mode === 'manual' && (await this.#deps.desks.find(row.id)) !== null
  }

  async attach(call: BrainCall): Promise<Brain> {
    try {
      const { connections, numbers } = this.#deps.tables
      const row = await connections.get(call.tenant, call.connectionId)
      const number = await numbers.get(call.tenant, call.numberId)
      if (row === null || row.deletedAt !== null) return new NoBrain('the connection is gone')
      const numberWebhookUrl = number?.webhookUrl ?? null
      const desk = row.mode === 'manual' ? await this.#deps.desks.find(row.id) : null
      if (desk !== null || this.#hasWebhookOrModel(row, numberWebhookUrl)) {
        return this.#brainOf(row, call, numberWebhookUrl, desk)
      }
      return call.tenant.environment === 'test'
        ? new DemoBrain()
        : new NoBrain('the connection has no brain')
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      // The call has been answered: it ends with an apology, like any call whose brain is gone.
      this.#deps.log.error('brain_not_attached', { callId: call.callId }, error)
      return new NoBrain('the brain could not be reached')
    }
  }

  /** Whether the connection has a brain of its own that can be asked without a socket. */
  #hasWebhookOrModel(row: ConnectionRow, numberWebhookUrl: string | null): boolean {
    if (row.mode === 'hosted') return this.#hasModel(row)
    return row.settings.manualWebhookUrl !== null || numberWebhookUrl !== null
  }

  #brainOf(
    row: ConnectionRow,
    call: BrainCall,
    numberWebhookUrl: string | null,
    desk: Desk | null,
  ): Brain {
    const { callControl: control, language } = row.settings
    if (row.mode === 'hosted') {
      return new HostedBrain(this.#deps, call, { model: this.#modelOf(row), control, language })
    }
    const secrets = this.#secretsOf(row)
    const urls = [row.settings.manualWebhookUrl, numberWebhookUrl].filter((url) => url !== null)
    const routes = {
      findDesk: () => this.#deps.desks.find(row.id),
      webhooks: urls.map(
        (url) => new ManualWebhook(this.#deps, { url, environment: row.environment, secrets }),
      ),
      control,
    }
    // It may have emptied while it was looked for.
    return new ManualBrain(call, routes, desk?.staffed ? desk : null)
  }

  #hasModel({ settings: { llm } }: ConnectionRow): boolean {
    if (llm === null) return false
    return llm.kind === 'openai_compatible' || Object.hasOwn(this.#deps.models, llm.model)
  }

  #modelOf(row: ConnectionRow): Model {
    const { llm } = row.settings
    if (llm?.kind === 'openai_compatible') {
      const { baseUrl, model } = llm
      const apiKey =
        row.llmApiKey === null ? null : this.#deps.box.open(row.llmApiKey, sealedFor.llm(row.id))
      return { baseUrl, model, apiKey }
    }
    const managed = llm && this.#deps.models[llm.model]
    if (!managed)
      throw new Fault('the model of a connection is not configured', { retryable: false })
    return managed
  }

  /** What signs the webhooks of manual mode: the secret, and during a rotation the previous one too. */
  #secretsOf(row: ConnectionRow): string[] {
    const { box, clock } = this.#deps
    const rotating = (row.previousSecretUntil ?? 0) > clock.now()
    return [row.manualSecret, rotating ? row.previousManualSecret : null]
      .filter((sealed) => sealed !== null)
      .map((sealed) => box.open(sealed, sealedFor.manual(row.id)))
  }
}

/** Stands where a brain should be. */
class NoBrain implements Brain {
  readonly kind = 'hosted'
  readonly #why: string

  constructor(why: string) {
    this.#why = why
  }

  ask(): AsyncIterable<never> {
    const lost = new BrainLost(this.#why)
    return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(lost) }) }
  }

  tell(): void {}

  async close(): Promise<void> {}
}
