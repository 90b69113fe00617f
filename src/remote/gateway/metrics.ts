import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Answered } from './command-desk.ts';
import type { WorkerState } from './worker-link.ts';

export interface MetricsSources {
  readonly clients: () => Readonly<Record<string, number>>;
  readonly worker: () => { readonly state: WorkerState; readonly open: number };
  readonly operator: () => boolean;
  readonly malformed: () => number;
}

/** What `/metrics` shows, in Prometheus' text format. Labels come from fixed sets, never from what a client sends. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<'protocol' | 'command' | 'status' | 'code'>;
  readonly #seconds: Histogram<'command'>;
  readonly #counters: Readonly<
    Record<'refused' | 'dropped' | 'restarts' | 'operatorsLost' | 'uploadBytes', Counter>
  >;

  constructor(sources: MetricsSources) {
    const registers = [this.registry];
    this.#requests = new Counter({
      name: 'myelin_requests_total',
      help: 'Requests answered',
      labelNames: ['protocol', 'command', 'status', 'code'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'myelin_request_seconds',
      help: 'From request to answer',
      labelNames: ['command'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 300],
      registers,
    });
    const counter = (name: string, help: string) => new Counter({ name, help, registers });
    this.#counters = {
      refused: counter(
        'myelin_connections_refused_total',
        'Connections and requests refused for their token or origin',
      ),
      dropped: counter('myelin_pushes_dropped_total', 'Pushed events not sent to a client that was too slow'),
      restarts: counter('myelin_worker_losses_total', 'How often the worker was lost'),
      operatorsLost: counter('myelin_operators_lost_total', 'Operators that fell silent'),
      uploadBytes: counter('myelin_upload_bytes_total', 'Bytes of archives received by HTTP'),
    };
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    new Gauge({
      name: 'myelin_clients',
      help: 'Clients connected',
      labelNames: ['protocol'],
      registers,
      collect() {
        for (const [protocol, count] of Object.entries(sources.clients())) this.set({ protocol }, count);
      },
    });
    gauge('myelin_worker_ready', '1 while the worker answers', () =>
      sources.worker().state === 'ready' ? 1 : 0,
    );
    gauge('myelin_worker_open_commands', 'Commands under way', () => sources.worker().open);
    gauge('myelin_operator_present', '1 while somebody operates', () => (sources.operator() ? 1 : 0));
    gauge('myelin_page_messages_malformed', 'Malformed messages of pages since start', sources.malformed);
  }

  answered({ protocol, command, answer, ms }: Answered): void {
    this.#requests.inc({ protocol, command, status: answer.status, code: answer.code ?? '' });
    this.#seconds.observe({ command }, ms / 1000);
  }

  count(what: 'refused' | 'dropped' | 'restarts' | 'operatorsLost' | 'uploadBytes', by = 1): void {
    this.#counters[what].inc(by);
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}
