import { availableParallelism, cpus, loadavg } from 'node:os';
import { type Check, type Finding, ok, warning } from './check.ts';

const GIB = 2 ** 30;
/** A small checkpoint, its runtime and a control process. */
const LITTLE_MEMORY_GIB = 2;

/** Processor cores and memory. */
export const machineCheck = (): Check => ({
  name: 'machine',
  title: 'Machine',
  look: async () => [processor(), memory()],
});

function processor(): Finding {
  const cores = availableParallelism();
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const [load = 0] = loadavg();
  const seen = `${cores} ${cores === 1 ? 'core' : 'cores'}, ${model}, load ${load.toFixed(1)}`;
  const values = { cores, model, load };
  if (cores < 2)
    return warning(seen, 'The control loop and a policy share one core: run the policy elsewhere.', values);
  if (load > 2 * cores)
    return warning(seen, 'The machine is busy with other work; latencies measured now are too high.', values);
  return ok(seen, values);
}

function memory(): Finding {
  const freeGib = process.availableMemory() / GIB;
  const seen = `${freeGib.toFixed(1)} GiB of memory free`;
  return freeGib < LITTLE_MEMORY_GIB
    ? warning(seen, 'Close other programs, or take a smaller checkpoint or --quantize.', { freeGib })
    : ok(seen, { freeGib });
}
