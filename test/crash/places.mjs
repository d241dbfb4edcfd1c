// The places between two writes: each has a name, made of what was written, and at one of them the process may end.
//
// A transaction's places are named by what it has written so far, so the same write in another transaction is another
// place. Names say what is written, not how often: a place that is passed again has its old name.

/** What tells apart the uses of one write: a few of its arguments. */
const KINDS = {
  'calls.change': ([, , patch]) => patch.state ?? (Object.keys(patch).join('+') || 'lock'),
  'events.append': ([row]) => row.type,
  'audit.append': ([row]) => row.eventType,
  'outbox.emit': ([event]) => event.eventType,
  'outbox.settle': ([, outcome]) => outcome.status,
}

export class Places {
  #writes = new Set()
  #passed = new Set()
  #deadly = null

  /** `writes`: the methods that change something, as `aggregate.method`. */
  watch(writes) {
    this.#writes = new Set(writes)
  }

  /** The process dies at the next pass of this place; null: at none. */
  arm(place) {
    this.#deadly = place
  }

  /** The places that were passed since the last report. */
  report() {
    const passed = [...this.#passed]
    this.#passed.clear()
    return passed
  }

  aroundStore(store) {
    return {
      tables: this.#aroundTables(store.tables, null),
      transaction: async (body) => {
        let last = null
        const value = await store.transaction((tables) => {
          const path = { written: [] }
          last = path
          return body(this.#aroundTables(tables, path))
        })
        if (last.written.length > 0) this.#pass(`committed ${nameOf(last)}`)
        return value
      },
      close: () => store.close(),
    }
  }

  aroundNetwork(network) {
    return new Proxy(network, {
      get: (target, name) => {
        const member = target[name]
        if (name === 'post') {
          return (command) => {
            this.#pass(`before sending ${command.type}`)
            target.post(command)
            this.#pass(`after sending ${command.type}`)
          }
        }
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  }

  #aroundTables(tables, path) {
    return Object.fromEntries(
      Object.entries(tables).map(([aggregate, methods]) => [
        aggregate,
        this.#aroundMethods(aggregate, methods, path),
      ]),
    )
  }

  #aroundMethods(aggregate, methods, path) {
    return new Proxy(methods, {
      get: (target, method) => {
        const name = `${aggregate}.${String(method)}`
        if (!this.#writes.has(name)) return target[method]
        return (...args) => {
          const write = () => target[method](...args)
          const label = labelOf(name, args)
          return path === null ? this.#alone(label, write) : this.#within(path, label, write)
        }
      },
    })
  }

  async #alone(label, run) {
    this.#pass(`before ${label}`)
    const value = await run()
    this.#pass(`after ${label}`)
    return value
  }

  async #within(path, label, run) {
    if (path.written.length === 0) this.#pass(`about to commit ${label}`)
    const value = await run()
    path.written.push(label)
    this.#pass(`inside ${nameOf(path)}`)
    return value
  }

  #pass(place) {
    this.#passed.add(place)
    if (place === this.#deadly) process.kill(process.pid, 'SIGKILL')
  }
}

function labelOf(name, args) {
  const kind = KINDS[name]?.(args)
  return kind === undefined ? name : `${name}[${kind}]`
}

function nameOf({ written }) {
  return written.join(' > ')
}
